"""A brown-out: every third call fails for hours. Everybody is charged once, and little more is asked."""

import itertools
from datetime import timedelta

import pytest

from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.ports.outside import Gateway, Listing
from tests.support.gateways import Around, loses_the_reply, never_arrives
from tests.support.world import World

pytestmark = pytest.mark.long

CUSTOMERS = 18
HOURS = 6


class EveryThird:
    """Fails each third call: charges are lost on the way there or on the way back in turn, reads get no answer."""

    def __init__(self) -> None:
        self._calls = itertools.count(1)
        self._losses = itertools.cycle([loses_the_reply, never_arrives])

    def charge(self, gateway: Gateway, request: ChargeRequest) -> Outcome:
        return next(self._losses)(gateway, request) if self._fails() else gateway.charge(request)

    def read(self, gateway: Gateway, merchant_uid: str) -> Listing:
        return Listing((), "HTTP 503") if self._fails() else gateway.payments_of(merchant_uid)

    def _fails(self) -> bool:
        return next(self._calls) % 3 == 0


@pytest.mark.fm("C34")
def test_a_brown_out_costs_reads_and_waits_but_no_second_charge(world: World) -> None:
    plan = world.plan(interval="day")
    subscriptions = [world.subscribe(plan=plan) for _ in range(CUSTOMERS)]
    faulty = EveryThird()
    gateway = Around(world.ports.gateway, faulty.charge, on_payments_of=faulty.read)
    brown = world.with_ports(gateway=gateway)
    end = world.clock.now() + timedelta(hours=HOURS)
    brown.settle()
    while world.clock.now() < end:
        world.clock.advance(minutes=1)
        brown.settle()
    invoices = [world.invoice(subscription) for subscription in subscriptions]
    assert {(invoice.status, invoice.declines) for invoice in invoices} == {("paid", 0)}
    assert [len(world.ledger(invoice)) for invoice in invoices] == [1] * CUSTOMERS
    assert len(gateway.charges) <= CUSTOMERS * 1.5
    world.assert_books_agree()
