from dataclasses import replace

import pytest

from billing_worker.demo.books import Comparison
from billing_worker.demo.run import Stand
from billing_worker.demo.view import verdict
from billing_worker.ports.books import Standing

IDLE = Standing(**dict.fromkeys(Standing.__dataclass_fields__, 0))
AGREE, DIFFER = Comparison({}, []), Comparison({}, ["paid at PortOne, open here"])


def test_books_are_judged_only_when_all_work_has_ended() -> None:
    assert verdict(AGREE, IDLE, finished=True, still=180).status == 0
    assert verdict(DIFFER, IDLE, finished=True, still=180).status == 1
    for comparison in (AGREE, DIFFER):
        found = verdict(comparison, replace(IDLE, unknown=2, due=1), finished=False, still=180)
        assert found.status == 3
        assert found.text == (
            "NOT FINISHED. Nothing changed for 180 s, and work is open (invoices due 1, unknown 2). "
            "The books say nothing yet."
        )


def test_work_stands_still_only_while_no_figure_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stand, seen = Stand(), {"paid": 3}
    assert stand.stands_for(seen) == 0
    now[0] += 50
    assert stand.stands_for(seen) == 50
    assert stand.stands_for({"paid": 4}) == 0
