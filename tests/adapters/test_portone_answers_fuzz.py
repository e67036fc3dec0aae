"""Whatever arrives: never an exception, and approved only when every compared field is equal."""

import copy
import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portone_world import REQUEST, envelope, keep, payment

from billing_worker.adapters.portone.answers import outcome_of, page_of, token_of
from billing_worker.adapters.portone.client import Answer
from billing_worker.adapters.portone.envelope import NotUnderstood
from billing_worker.adapters.portone.keys import key_of
from billing_worker.domain.payment import Approved, Outcome

pytestmark = pytest.mark.long

STATUSES = st.sampled_from([200, 200, 200, 201, 400, 401, 404, 429, 500, 502])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["paid", "failed", "cancelled", "KRW", "USD", "9900", "1e3", "0", 0, 9900, 9900.0, -1, "card_1"]),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
FIELDS = st.sampled_from([*payment(), "new"])


def check(answer: Answer) -> None:
    outcome = outcome_of(REQUEST, answer, keep)
    assert isinstance(outcome, Outcome)
    if isinstance(outcome, Approved):
        told = json.loads(answer.body)
        row = told["response"]
        assert (answer.status, int(told["code"])) == (200, 0)
        assert row["merchant_uid"] == REQUEST.merchant_uid
        assert row.get("customer_uid") in (None, "", REQUEST.customer_uid)
        assert float(row["amount"]) == 9900
        assert row["currency"] == "KRW"
        assert row["status"] == "paid" or 0 < float(row["cancel_amount"]) < 9900
    key_of(answer, "card_1")
    token_of(answer)
    with suppress(NotUnderstood):
        page_of(answer, keep)


@pytest.mark.fm("C18")
@given(STATUSES, st.binary(max_size=300))
@settings(max_examples=500, deadline=timedelta(seconds=2))
def test_any_bytes(status: int, raw: bytes) -> None:
    check(Answer(status, raw))


@given(STATUSES, st.dictionaries(FIELDS, VALUES, max_size=3), st.sampled_from([0, 0, 0, 1, -1, "0", None, False]))
@settings(max_examples=800, deadline=timedelta(seconds=2))
def test_a_payment_with_changed_fields(status: int, changes: dict[str, Any], code: Any) -> None:
    check(Answer(status, json.dumps(envelope(payment(**changes), code=code)).encode()))


@given(STATUSES, VALUES)
@settings(max_examples=300, deadline=timedelta(seconds=2))
def test_any_json(status: int, response: Any) -> None:
    check(Answer(status, json.dumps(envelope(response)).encode()))
    check(Answer(status, json.dumps(response).encode()))


@pytest.mark.fm("C18")
@given(st.data())
@settings(max_examples=500, deadline=timedelta(seconds=2))
def test_changed_bytes_of_a_real_answer(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(envelope(copy.deepcopy(payment()))).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    outcome = outcome_of(REQUEST, Answer(200, bytes(raw)), keep)
    if isinstance(outcome, Approved):
        check(Answer(200, bytes(raw)))
