"""Refunds against the real sandbox over HTTP: what the gateway concludes must agree with the sandbox's books."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from billing_worker.adapters.portone import PortOneGateway
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Approved, ChargeRequest, Unknown
from billing_worker.domain.refund import Answered, RefundRequest, Refused
from tests.support.sandbox import IMP_KEY, IMP_SECRET, Row, Sandbox

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
ENOUGH = 20.0
numbers = count(1)


@pytest.fixture
def gateway(shared_sandbox: Sandbox) -> Iterator[PortOneGateway]:
    with closing(PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=3.0)) as connected:
        yield connected
    shared_sandbox.forget_rules()


def paid(gateway: PortOneGateway, money: Money) -> RefundRequest:
    """A charged payment, and the request that would give all of it back."""
    number = next(numbers)
    order = ChargeRequest(f"contractrefund{number}", f"ok-refund{number}", money, "월간 구독", "nice_v2")
    charged = gateway.charge(order)
    assert isinstance(charged, Approved)
    return RefundRequest(charged.payment.imp_uid, order.merchant_uid, money, money, f"rfd_{number:016d} asked")


def part(whole: RefundRequest, amount: int, balance: int, **more: Any) -> RefundRequest:
    currency = whole.money.currency
    return replace(whole, money=Money(amount, currency), balance=Money(balance, currency), **more)


def row(sandbox: Sandbox, request: RefundRequest) -> Row:
    (found,) = sandbox.ledger(merchant_uid=request.merchant_uid)
    return found


@pytest.mark.parametrize(
    ("price", "amount"),
    [(Money(9900, "KRW"), 3000), (Money(1999, "USD"), 1001), (Money(12_345, "KWD"), 12_344)],
    ids=str,
)
def test_parts_of_a_payment_are_given_back_until_nothing_is_left(
    gateway: PortOneGateway, shared_sandbox: Sandbox, price: Money, amount: int
) -> None:
    whole = paid(gateway, price)
    first = gateway.cancel(part(whole, amount, price.amount))
    assert isinstance(first, Answered)
    assert first.payment.cancelled.amount == amount
    assert [each.reason for each in first.payment.cancellations] == [whole.reason]
    left = price.amount - amount
    last = gateway.cancel(part(whole, left, left))
    assert isinstance(last, Answered)
    assert [each.money.amount for each in last.payment.cancellations] == [amount, left]
    assert last.payment.cancelled == last.payment.money == price
    assert isinstance(gateway.cancel(part(whole, left, left)), Refused)
    assert row(shared_sandbox, whole)["cancel_amount"] == row(shared_sandbox, whole)["amount"]


@pytest.mark.fm("L13")
def test_the_checksum_refuses_the_same_call_again(gateway: PortOneGateway, shared_sandbox: Sandbox) -> None:
    once = part(paid(gateway, Money(9900, "KRW")), 3000, 9900)
    assert isinstance(gateway.cancel(once), Answered)
    assert isinstance(gateway.cancel(once), Refused)
    assert row(shared_sandbox, once)["cancel_amount"] == 3000


def test_what_does_not_exist_is_refused(gateway: PortOneGateway) -> None:
    whole = paid(gateway, Money(9900, "KRW"))
    assert isinstance(gateway.cancel(replace(whole, imp_uid="imps_000000000000")), Refused)


@pytest.mark.fm("L14")
@pytest.mark.parametrize("behaviour", ["drop-before-charge", "error502-html", "garbled"])
def test_a_call_that_was_lost_on_its_way_is_unknown_and_the_read_shows_nothing(
    gateway: PortOneGateway, shared_sandbox: Sandbox, behaviour: str
) -> None:
    request = part(paid(gateway, Money(9900, "KRW")), 3000, 9900)
    shared_sandbox.rule(behaviour, endpoint="cancel", times=1)
    assert isinstance(gateway.cancel(request), Unknown)
    ((payment, _),) = gateway.payment(request.imp_uid).payments
    assert payment.cancelled.amount == row(shared_sandbox, request)["cancel_amount"] == 0


@pytest.mark.fm("L14")
def test_a_call_that_the_client_gave_up_is_unknown_and_carried_out_all_the_same(shared_sandbox: Sandbox) -> None:
    with closing(PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=3.0)) as gateway:
        request = part(paid(gateway, Money(9900, "KRW")), 3000, 9900)
    shared_sandbox.rule("ok", endpoint="cancel", times=1, delay=1.5)
    with closing(PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=1.0)) as impatient:
        assert isinstance(impatient.cancel(request), Unknown)
    give_up = time.monotonic() + ENOUGH
    while not row(shared_sandbox, request)["cancel_amount"]:
        assert time.monotonic() < give_up, "the sandbox dropped a call whose client hung up"
        time.sleep(0.05)
    with closing(PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=3.0)) as gateway:
        ((payment, _),) = gateway.payment(request.imp_uid).payments
    assert [(each.money.amount, each.reason) for each in payment.cancellations] == [(3000, request.reason)]
