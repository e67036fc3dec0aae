"""What must hold for any answer at all. Raises AssertionError, or whatever the parser let through."""

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from billing_worker.adapters.masking import LONGEST_EVIDENCE, blanked, evidence_text
from billing_worker.adapters.portone.answers import Keep, outcome_of, page_of, token_of
from billing_worker.adapters.portone.client import Answer
from billing_worker.adapters.portone.envelope import NotUnderstood
from billing_worker.adapters.portone.keys import key_of
from billing_worker.adapters.portone.schedule_answers import page_of as schedules_of
from billing_worker.adapters.portone.schedule_answers import reading_of, registration_of, revocation_of
from billing_worker.adapters.portone.tokens import NoToken, Token
from billing_worker.domain.payment import Approved, Declined, Evidence, Failed, Outcome, Unknown
from billing_worker.domain.schedule import NotRegistered, Registered, Revoked
from tests.fuzz.corpus import REQUEST, SCHEDULE

SECRETS = ("canary-imp-key-9f3", "canary-imp-secret-77ab", "canarytoken0123456789")
CARDS = ("4242424242424242", "5555-4444-3333-1111", "3782 822463 10005")
PEOPLE = ("canary.person@example.com", "010-1234-5678")
CANARIES = (*SECRETS, *CARDS, *PEOPLE)
LEAKS = re.compile("|".join(re.escape(text) for text in (*SECRETS, *CARDS, "canary.person@", "010-1234-5678")))


class _Watch:
    """Calls what reads an answer, and notes the longest processor time of one call."""

    def __init__(self) -> None:
        self.slowest = 0.0

    def __call__(self, read: Callable[..., Any], *arguments: Any) -> Any:
        began = time.thread_time()
        try:
            return read(*arguments)
        finally:
            self.slowest = max(self.slowest, time.thread_time() - began)


def seconds_for(status: int, raw: bytes) -> float:
    """Examine one answer with everything that reads answers; the processor time of the slowest reader."""
    watch = _Watch()
    answer = Answer(status, watch(blanked, raw, SECRETS))

    def keep(body: bytes) -> Evidence:
        return Evidence("portone", "fuzz", status, evidence_text(body, SECRETS))

    outcome = watch(outcome_of, REQUEST, answer, keep)
    _judge_outcome(status, raw, outcome)
    _judge_evidence(outcome.evidence)
    said = [getattr(outcome, "reason", "")]
    with suppress(NotUnderstood):
        for payment, evidence in watch(page_of, answer, keep).payments:
            _judge_evidence(evidence)
            said.append(payment.fail_reason or "")
    assert watch(key_of, answer, REQUEST.customer_uid).known in (True, False, None)
    token = watch(token_of, answer)
    assert isinstance(token, Token | NoToken)
    said.append(getattr(token, "reason", ""))
    said += _seen_as_schedules(watch, status, raw, answer, keep)
    assert not LEAKS.search("".join(said)), f"a reason repeats what is secret: {said}"
    return watch.slowest


def _seen_as_schedules(watch: _Watch, status: int, raw: bytes, answer: Answer, keep: Keep) -> list[str]:
    """Examine the answer with everything that reads schedules; the reasons that were given."""
    order, key = REQUEST.merchant_uid, REQUEST.customer_uid
    registered = watch(registration_of, SCHEDULE, answer, keep)
    revoked = watch(revocation_of, key, order, answer, keep)
    found = watch(reading_of, order, answer, keep)
    for evidence in (registered.evidence, revoked.evidence, found.evidence):
        _judge_evidence(evidence)
    if isinstance(registered, Registered):
        (row,) = _schedules_in(status, raw)
        assert row["schedule_status"] == "scheduled"
        assert int(row["schedule_at"]) == SCHEDULE.at.timestamp()
        assert _about_us({"currency": REQUEST.money.currency} | {name: row[name] for name in row if row[name]})
    if isinstance(revoked, Revoked):
        rows = _schedules_in(status, raw)
        assert rows
        assert all(row["schedule_status"] == "revoked" and row["merchant_uid"] == order for row in rows)
        assert all(int(row["revoked_at"]) for row in rows)
    assert found.schedule is None or found.schedule.merchant_uid == order
    assert not isinstance(registered, NotRegistered) or status == 200
    said = [getattr(each, "reason", "") for each in (registered, revoked)] + [found.trouble or ""]
    with suppress(NotUnderstood):
        page = watch(schedules_of, answer, 1)
        said += [each.problem for each in page.unreadable.values()]
        said += [each.fail_reason or "" for each in page.found.values()]
    return said


def _schedules_in(status: int, raw: bytes) -> list[dict[str, Any]]:
    document = _read(raw)
    assert status == 200
    assert document is not None
    assert int(document["code"]) == 0
    return list(document["response"])


def _judge_outcome(status: int, raw: bytes, outcome: Outcome) -> None:
    document = _read(raw)
    match outcome:
        case Approved():
            assert status == 200
            assert document is not None
            assert _proves(document)
        case Declined():
            assert status == 200
            assert document is not None
            assert outcome.reason
            assert not document.get("response") or _about_us(document["response"])
        case Failed():
            assert document is not None
            assert status in (200, 401, 429)
        case Unknown():
            assert outcome.reason
    if document is None:
        assert isinstance(outcome, Unknown), "what is not a JSON object proves nothing"


def _judge_evidence(evidence: Evidence | None) -> None:
    assert evidence is not None
    assert len(evidence.body.encode()) <= LONGEST_EVIDENCE  # raises for half a character
    assert "\x00" not in evidence.body
    assert not LEAKS.search(evidence.body), f"evidence keeps what is secret: {evidence.body[:200]!r}"


def _read(raw: bytes) -> dict[str, Any] | None:
    """The document as another reader would see it; None for what is no JSON object."""
    try:
        found = json.loads(raw.decode("utf-8"), parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        return None
    return found if isinstance(found, dict) else None


def _about_us(row: dict[str, Any]) -> bool:
    # PortOne's description does not require customer_uid: one that is not named is none of another customer.
    same = row["merchant_uid"] == REQUEST.merchant_uid and row.get("customer_uid") in (None, "", REQUEST.customer_uid)
    return same and row["currency"] == REQUEST.money.currency and Decimal(row["amount"]) == REQUEST.money.amount


def _proves(document: dict[str, Any]) -> bool:
    row = document["response"]
    partly = row["status"] == "cancelled" and 0 < Decimal(row["cancel_amount"]) < Decimal(row["amount"])
    return (
        int(document["code"]) == 0 and bool(row["imp_uid"]) and _about_us(row) and (row["status"] == "paid" or partly)
    )
