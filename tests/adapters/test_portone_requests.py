"""What is sent: exact amounts, the fields each PG needs, nothing that PortOne would change silently."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from portone_world import REQUEST, always, envelope, payment

from billing_worker.adapters.portone import requests
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest, Failed


def sent(request: ChargeRequest) -> dict[str, object]:
    call = requests.again(request, "203.0.113.7")
    assert (call.method, call.path) == ("POST", "/subscribe/payments/again")
    return json.loads(call.body or b"", parse_float=Decimal)


def test_a_charge_in_won() -> None:
    assert sent(REQUEST) == {
        "customer_uid": "card_1",
        "merchant_uid": "test1sub1p1g1",
        "amount": 9900,
        "currency": "KRW",
        "name": "월간 구독",
    }
    assert b'"amount":9900,' in (requests.again(REQUEST, "").body or b"")


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (1999, "USD", b"19.99"),
        (10_000, "USD", b"100.00"),
        (10, "USD", b"0.10"),
        (1, "KWD", b"0.001"),
        (10**12, "KRW", b"1000000000000"),
        (10**12, "USD", b"10000000000.00"),
        (1, "KRW", b"1"),
    ],
)
def test_amounts_are_written_exactly(minor: int, currency: str, written: bytes) -> None:
    call = requests.again(replace(REQUEST, money=Money(minor, currency)), "")
    assert b'"amount":' + written + b"," in (call.body or b"")


def test_the_buyer_is_sent_when_known() -> None:
    buyer = {"buyer_name": "홍 길동", "buyer_email": "hong@example.com", "buyer_tel": "010-1234-5678"}
    fields = sent(replace(REQUEST, **buyer))
    assert {name: fields[name] for name in buyer} == buyer
    assert "browser_ip" not in fields


def test_paymentwall_gets_an_address() -> None:
    assert sent(replace(REQUEST, pg_provider="paymentwall"))["browser_ip"] == "203.0.113.7"


def test_ksnet_gets_the_kind_of_product_and_no_other_pg_does() -> None:
    call = requests.again(replace(REQUEST, pg_provider="ksnet"), "", "digital")
    assert json.loads(call.body or b"")["product_type"] == "digital"
    assert b"product_type" not in (requests.again(REQUEST, "", "digital").body or b"")


@pytest.mark.parametrize(
    ("pg", "changes", "field"),
    [
        ("ksnet", {}, "product_type"),
        ("paypal_v2", {}, "amount"),
        ("smartro_v2", {"merchant_uid": "a-b"}, "merchant_uid"),
        ("naverpay", {"money": Money(9, "KRW")}, "amount"),
    ],
)
def test_what_a_pg_could_not_take_is_failed_before_it_is_sent(
    portone, pg: str, changes: dict[str, object], field: str
) -> None:
    gateway, server = portone(always(200, envelope(payment())))
    outcome = gateway.charge(replace(REQUEST, pg_provider=pg, **changes))
    assert isinstance(outcome, Failed)
    assert server.seen == []
    assert outcome.reason.startswith(f"not sent: {field}: ")


def test_a_name_is_cut_where_portone_would() -> None:
    assert sent(replace(REQUEST, name="가" * 100))["name"] == "가" * 40
    assert sent(replace(REQUEST, name="half a \ud83d pair\x00"))["name"] == "half a \ufffd pair\ufffd"


@pytest.mark.parametrize(
    "changes",
    [
        {"merchant_uid": "x" * 41},
        {"merchant_uid": ""},
        {"merchant_uid": "a b"},
        {"customer_uid": ""},
        {"customer_uid": "x" * 81},
        {"customer_uid": "가"},
        {"money": Money(0, "KRW")},
        {"money": Money(-1, "KRW")},
    ],
)
def test_what_portone_could_not_take_is_failed_before_it_is_sent(portone, changes: dict[str, object]) -> None:
    request = replace(REQUEST, **changes)
    with pytest.raises(InvalidInput):
        requests.again(request, "")
    gateway, server = portone(always(200, envelope(payment())))
    outcome = gateway.charge(request)
    assert isinstance(outcome, Failed)
    assert server.seen == []
    assert "x" * 41 not in outcome.reason
