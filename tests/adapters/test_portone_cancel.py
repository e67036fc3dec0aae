"""POST /payments/cancel: the exact bytes that leave, and what each answer says. Only a shown payment is a proof."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portone_world import UNAUTHORIZED, always, body, envelope, keep, payment, token_answer, with_token
from scripted_server import Seen, Wire

from billing_worker.adapters.portone import requests
from billing_worker.adapters.portone.answers import refund_of
from billing_worker.adapters.portone.client import Answer
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import EXPONENTS, Money
from billing_worker.domain.payment import Failed, Unknown
from billing_worker.domain.refund import Answered, RefundAnswer, RefundRequest, Refused
from tests.support.gateways import hurried

pytestmark = pytest.mark.timeout(1200)
"""Seconds: hundreds of answers are one test here, which takes some seconds of CPU."""
CANCEL = "/payments/cancel"
ID = "rfd_0123456789abcdef"
REQUEST = RefundRequest(
    "imps_123456789012", "test1sub1p1g1", Money(3000, "KRW"), Money(9900, "KRW"), f"{ID} the customer asked"
)
HISTORY = [{"amount": 3000, "reason": REQUEST.reason, "cancelled_at": 1735689700, "cancellation_id": "c-1"}]
SHOWN = payment(status="cancelled", cancel_amount=3000, cancel_history=HISTORY)
DONE_BEFORE = {"code": 1, "message": "이미 전액취소된 주문입니다.", "response": None}


def with_money(minor: int, balance: int, currency: str) -> RefundRequest:
    return replace(REQUEST, money=Money(minor, currency), balance=Money(balance, currency))


def test_exactly_this_leaves() -> None:
    call = requests.cancel(REQUEST)
    assert (call.method, call.path) == ("POST", CANCEL)
    assert call.body == (
        b'{"imp_uid":"imps_123456789012","amount":3000,"checksum":9900,'
        b'"reason":"rfd_0123456789abcdef the customer asked"}'
    )


@pytest.mark.fm("L19")
@pytest.mark.parametrize(
    ("minor", "balance", "currency", "amount", "checksum"),
    [
        (1, 9900, "KRW", b"1", b"9900"),
        (1001, 1999, "USD", b"10.01", b"19.99"),
        (10, 2000, "USD", b"0.10", b"20.00"),
        (500, 500, "JPY", b"500", b"500"),
        (1, 12_345, "KWD", b"0.001", b"12.345"),
        (10**12, 10**12, "KRW", b"1000000000000", b"1000000000000"),
    ],
)
def test_amount_and_checksum_are_written_exactly(
    minor: int, balance: int, currency: str, amount: bytes, checksum: bytes
) -> None:
    sent = requests.cancel(with_money(minor, balance, currency)).body or b""
    assert b'"amount":' + amount + b',"checksum":' + checksum + b"," in sent


@pytest.mark.fm("L15")
@given(
    st.integers(-2, 10**12) | st.integers(-2, 3),
    st.integers(-2, 10**12) | st.integers(-2, 3),
    st.sampled_from(sorted(EXPONENTS)),
)
def test_no_request_leaves_without_a_positive_amount_and_its_balance(minor: int, balance: int, currency: str) -> None:
    request = with_money(minor, balance, currency)
    if not 0 < minor <= balance:
        with pytest.raises(InvalidInput, match="amount"):
            requests.cancel(request)
        return
    sent = json.loads(requests.cancel(request).body or b"", parse_float=Decimal)
    assert Decimal(sent["amount"]).scaleb(EXPONENTS[currency]) == minor
    assert Decimal(sent["checksum"]).scaleb(EXPONENTS[currency]) == balance


@pytest.mark.parametrize(
    "wrong",
    [
        {"imp_uid": ""},
        {"imp_uid": "a b"},
        {"imp_uid": "x" * 65},
        {"money": Money(0, "KRW")},
        {"money": Money(-1, "KRW")},
        {"money": Money(9901, "KRW")},
        {"money": Money(3000, "USD")},
    ],
    ids=str,
)
def test_what_portone_would_take_for_something_else_is_never_sent(portone, wrong: dict[str, Any]) -> None:
    gateway, server = portone(always(200, envelope(SHOWN)))
    answer = gateway.cancel(replace(REQUEST, **wrong))
    assert isinstance(answer, Failed)
    assert answer.reason.startswith("not sent: ")
    assert server.seen == []


def said(raw: bytes, status: int = 200) -> RefundAnswer:
    return refund_of(Answer(status, raw), keep)


ANSWERS: dict[str, tuple[bytes, int, type]] = {
    "the payment, with its cancellation": (body(envelope(SHOWN)), 200, Answered),
    "the payment, still as it was": (body(envelope(payment())), 200, Answered),
    "an unknown field": (body(envelope(SHOWN | {"new": 1})), 200, Answered),
    "refunded before": (body(DONE_BEFORE), 200, Refused),
    "a wrong checksum": (body(envelope(None, code=1, message="취소 가능 금액이 일치하지 않습니다.")), 200, Refused),
    "the PG did not answer": (body(envelope(None, code=-1, message="PG사와 통신 오류")), 200, Refused),
    "no access": (body(UNAUTHORIZED), 401, Failed),
    "too many requests": (body(envelope(None, code=-1, message="Too many")), 429, Failed),
    "401 of something in between": (b"<html>401</html>", 401, Unknown),
    "429 with a payment": (body(envelope(SHOWN, code=-1)), 429, Unknown),
    "a refusal that holds a payment": (body(envelope(SHOWN, code=1)), 200, Unknown),
    "a payment with 201": (body(envelope(SHOWN)), 201, Unknown),
    "a payment with 500": (body(envelope(SHOWN)), 500, Unknown),
    "404": (body(envelope(None, code=-1)), 404, Unknown),
    "no response": (body(envelope(None)), 200, Unknown),
    "a list of payments": (body(envelope([SHOWN])), 200, Unknown),
    "no code": (body({"response": SHOWN}), 200, Unknown),
    "more given back than paid": (body(envelope(SHOWN | {"cancel_amount": 9901})), 200, Unknown),
    "a fraction of a won": (body(envelope(SHOWN | {"cancel_amount": 0.5})), 200, Unknown),
    "a history that is none": (body(envelope(SHOWN | {"cancel_history": "3000"})), 200, Unknown),
    "a cancellation without an amount": (body(envelope(SHOWN | {"cancel_history": [{"reason": ID}]})), 200, Unknown),
    "a negative cancellation": (body(envelope(SHOWN | {"cancel_history": [{"amount": -1}]})), 200, Unknown),
    "two statuses": (body(envelope(SHOWN)).replace(b'"status"', b'"status": "paid", "status"', 1), 200, Unknown),
    "half the JSON": (body(envelope(SHOWN))[:80], 200, Unknown),
    "HTML": (b"<html>502</html>", 502, Unknown),
    "nothing": (b"", 200, Unknown),
}


@pytest.mark.fm("L14")
@pytest.mark.parametrize(("raw", "status", "kind"), ANSWERS.values(), ids=ANSWERS)
def test_what_an_answer_says(raw: bytes, status: int, kind: type) -> None:
    answer = said(raw, status)
    assert type(answer) is kind
    assert answer.evidence is not None
    if isinstance(answer, Answered):
        assert answer.payment.imp_uid == "imps_123456789012"


def test_the_cancellations_are_read_with_their_amounts_and_reasons() -> None:
    answer = said(body(envelope(SHOWN)))
    assert isinstance(answer, Answered)
    (shown,) = answer.payment.cancellations
    assert (shown.money, shown.reason) == (Money(3000, "KRW"), REQUEST.reason)
    assert answer.payment.cancelled == Money(3000, "KRW")


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from([ID, "3000", 3000, -1])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
STATUSES = st.sampled_from([200, 200, 200, 201, 400, 401, 404, 429, 500, 502])


def only_a_shown_payment_proves(raw: bytes, status: int) -> None:
    answer = said(raw, status)
    assert isinstance(answer, RefundAnswer)
    if isinstance(answer, Answered):
        told = json.loads(raw)
        assert (status, int(told["code"])) == (200, 0)
        assert told["response"]["imp_uid"] == answer.payment.imp_uid
        assert 0 <= answer.payment.cancelled.amount <= answer.payment.money.amount


@given(STATUSES, st.binary(max_size=300) | VALUES.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=500, deadline=timedelta(seconds=2))
def test_any_bytes_are_an_answer_and_prove_nothing_alone(status: int, raw: bytes) -> None:
    only_a_shown_payment_proves(raw, status)


@given(
    STATUSES,
    st.dictionaries(st.sampled_from([*SHOWN, "new"]), VALUES, max_size=3),
    st.sampled_from([0, 0, 0, 1, -1, "0", None, False]),
)
@settings(max_examples=500, deadline=timedelta(seconds=2))
def test_a_payment_with_hostile_fields_is_read_exactly_or_not_at_all(
    status: int, changes: dict[str, Any], code: Any
) -> None:
    only_a_shown_payment_proves(json.dumps(envelope(SHOWN | changes, code=code)).encode(), status)


def test_a_refund(portone) -> None:
    gateway, server = portone(always(200, envelope(SHOWN)))
    answer = gateway.cancel(REQUEST)
    assert isinstance(answer, Answered)
    assert (answer.evidence.request, answer.evidence.http_status) == (f"POST {CANCEL}", 200)
    (sent,) = server.asked(CANCEL)
    assert sent.fields == {"imp_uid": REQUEST.imp_uid, "amount": 3000, "checksum": 9900, "reason": REQUEST.reason}


def test_a_token_that_is_refused_is_fetched_again_and_the_call_sent_once_more(portone) -> None:
    def first_is_stale(_: Seen, wire: Wire) -> None:
        first = len(server.asked(CANCEL)) == 1
        wire.answer(401 if first else 200, UNAUTHORIZED if first else envelope(SHOWN))

    gateway, server = portone(with_token(first_is_stale))
    assert isinstance(gateway.cancel(REQUEST), Answered)
    assert len(server.asked(CANCEL)) == 2


def test_refused_tokens_twice_are_failed_and_not_sent_a_third_time(portone) -> None:
    gateway, server = portone(always(401, UNAUTHORIZED))
    answer = gateway.cancel(REQUEST)
    assert isinstance(answer, Failed)
    assert answer.evidence is not None
    assert len(server.asked(CANCEL)) == 2


@pytest.mark.parametrize("how", ["silent", "reset", "close", "half"])
def test_a_call_without_a_whole_answer_is_unknown_and_not_repeated(portone, how: str) -> None:
    def misbehaves(_: Seen, wire: Wire) -> None:
        if how == "silent":
            wire.over.wait(10)
        elif how == "half":
            wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + body(envelope(SHOWN))[:50])
            wire.close()
        else:
            getattr(wire, how)()

    gateway, server = portone(with_token(misbehaves), total_deadline=1.5)
    answer = hurried(gateway).cancel(REQUEST)
    assert isinstance(answer, Unknown)
    assert answer.reason.startswith("no answer: ")
    assert len(server.asked(CANCEL)) == 1


def test_no_listener_is_failed(portone) -> None:
    gateway, server = portone(always(200, envelope(SHOWN)))
    server.stop_listening()
    answer = gateway.cancel(REQUEST)
    assert isinstance(answer, Failed)
    assert answer.reason.startswith("not sent: ")


def test_a_slow_token_leaves_no_time_to_wait_for_the_answer_so_nothing_is_sent(portone) -> None:
    def slow_token(seen: Seen, wire: Wire) -> None:
        if seen.path == "/users/getToken":
            wire.over.wait(1.2)
            wire.answer(200, token_answer())
        else:
            wire.answer(200, envelope(SHOWN))

    gateway, server = portone(slow_token, total_deadline=2.0)
    assert isinstance(gateway.cancel(REQUEST), Failed)
    assert server.asked(CANCEL) == []
