"""Refunds of V1 whose call or answer is lost: what the gateway concludes must agree with the sandbox's books."""

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
from billing_worker.domain.refund import RefundRequest
from tests.support.gateways import hurried
from tests.support.sandbox import IMP_KEY, IMP_SECRET, PATIENCE, Row, Sandbox

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
ENOUGH = 60.0
numbers = count(1)


@pytest.fixture
def gateway(shared_sandbox: Sandbox) -> Iterator[PortOneGateway]:
    with closing(PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=PATIENCE)) as connected:
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
    with closing(PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=PATIENCE)) as gateway:
        request = part(paid(gateway, Money(9900, "KRW")), 3000, 9900)
    shared_sandbox.rule("ok", endpoint="cancel", times=1, delay=1.5)
    with closing(PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=1.0)) as impatient:
        assert isinstance(hurried(impatient).cancel(request), Unknown)
    give_up = time.monotonic() + ENOUGH
    while not row(shared_sandbox, request)["cancel_amount"]:
        assert time.monotonic() < give_up, "the sandbox dropped a call whose client hung up"
        time.sleep(0.05)
    with closing(PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=PATIENCE)) as gateway:
        ((payment, _),) = gateway.payment(request.imp_uid).payments
    assert [(each.money.amount, each.reason) for each in payment.cancellations] == [(3000, request.reason)]
