"""The judge of the benchmarks: who was charged how often, by the sandbox's own books."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import ledger


def row(imp_uid: str, merchant_uid: str, **given: Any) -> dict[str, Any]:
    known = {"kind": "payment", "imp_uid": imp_uid, "merchant_uid": merchant_uid, "customer_uid": "ok-bench-1"}
    return known | {"amount": 9_900, "status": "paid"} | given


def test_a_period_is_charged_once_under_whichever_generation():
    rows = [row("imps_1", "bwap00000g01", status="failed"), row("imps_2", "bwap00000g02")]
    assert ledger.counted(rows, ledger.period) == Counter({"bwap00000": 1})


def test_two_payments_of_a_period_are_a_double():
    rows = [row("imps_1", "bwap00000g01"), row("imps_2", "bwap00000g02"), row("imps_3", "bwbp00000g01")]
    verdict = ledger.judged(3, ledger.counted(rows, ledger.period))
    assert (verdict.once, verdict.doubled, verdict.lost, verdict.payments) == (1, 1, 1, 3)
    assert not verdict.good


def test_a_payment_that_was_given_back_holds_nothing():
    rows = [row("imps_1", "bwap00000g01"), row("imps_1", "bwap00000g01", status="cancelled", cancel_amount=9_900)]
    assert not ledger.counted(rows, ledger.period)


def test_a_naive_worker_is_judged_by_card():
    rows = [row(f"imps_{n}", f"order-7-{n}", customer_uid="ok-naive-7") for n in range(2)]
    assert ledger.counted(rows, ledger.customer) == Counter({"ok-naive-7": 2})
    assert not ledger.counted(rows, ledger.period)


@pytest.mark.parametrize("kind", ["key", "token", "later"])
def test_other_rows_of_the_file_are_left_out(tmp_path: Path, kind: str):
    lines = [{"kind": kind, "customer_uid": "ok-bench-1"}, row("imps_1", "bwap00000g01")]
    file = tmp_path / "ledger.jsonl"
    file.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    assert ledger.payments(file, ledger.period).total() == 1
