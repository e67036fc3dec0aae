"""The merchant_uid of a period depends only on the period, and no clock can change a charge."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing_worker.domain.order_number import merchant_uid
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.ports.outside import Gateway, Listing
from billing_worker.usecases.subscription import replace_key
from tests.support.gateways import Around, loses_the_reply
from tests.support.world import World


@pytest.mark.fm("B3")
@pytest.mark.fm("G8")
@pytest.mark.parametrize("late", [timedelta(0), timedelta(hours=23), timedelta(days=9)])
def test_a_period_has_the_same_order_id_whenever_it_is_opened_and_charged(world: World, late: timedelta) -> None:
    subscription = world.subscribe("drop-before-charge-1x-decline-limit-1x", plan=world.plan(interval="month"))
    other = world.subscribe()
    world.clock.advance(seconds=1)
    world.collect()
    world.clock.advance_to(world.clock.now() + late)
    world.settle()
    world.run_until(world.clock.now() + timedelta(days=2), timedelta(hours=6))
    expected = merchant_uid(world.environment, subscription.id, 0, 1)
    invoice = world.invoices(subscription)[0]
    assert invoice.status == "paid"
    assert {attempt.merchant_uid for attempt in world.attempts(invoice)} == {expected}
    assert len(world.attempts(invoice)) == 3
    assert {row["merchant_uid"] for row in world.ledger(invoice)} == {expected}
    assert world.invoices(other)[0].merchant_uid == merchant_uid(world.environment, other.id, 0, 1)


@pytest.mark.fm("H2")
def test_a_clock_that_goes_back_across_the_due_time_brings_no_second_charge(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(interval="day"))
    world.settle()
    world.clock.advance(days=1)
    world.settle()
    assert len(world.money()) == 2
    for back in (timedelta(hours=1), timedelta(days=1), timedelta(days=3)):
        world.clock.advance(seconds=-back.total_seconds())
        world.settle()
        assert len(world.ledger()) == 2
        world.clock.advance(seconds=back.total_seconds())
        world.settle()
    assert [invoice.period.index for invoice in world.invoices(subscription)] == [0, 1]
    assert len(world.ledger()) == 2
    world.assert_books_agree()


@pytest.mark.fm("C38")
@pytest.mark.parametrize("wrong", [timedelta(days=-4000), timedelta(days=4000)])
def test_a_gateway_whose_clock_is_wrong_changes_no_date_of_ours(world: World, wrong: timedelta) -> None:
    def shifted(gateway: Gateway, uid: str) -> Listing:
        listing = gateway.payments_of(uid)
        seen = [
            (replace(payment, started_at=payment.started_at + wrong, paid_at=payment.paid_at + wrong), evidence)
            for payment, evidence in listing.payments
        ]
        return Listing(tuple(seen), listing.trouble)

    subscription = world.subscribe(plan=world.plan(interval="day"))
    start = world.clock.now()
    elsewhere = world.with_ports(gateway=Around(world.ports.gateway, loses_the_reply, on_payments_of=shifted))
    elsewhere.settle()
    world.clock.advance(seconds=1)
    elsewhere.settle()
    invoice = world.invoice(subscription)
    assert invoice.status == "paid"
    assert start <= invoice.closed_at <= world.clock.now()
    world.clock.advance(days=1)
    world.settle()
    assert [invoice.period.start for invoice in world.invoices(subscription)] == [start, start + timedelta(days=1)]
    world.assert_books_agree()


@pytest.mark.fm("L24")
@pytest.mark.parametrize("given", ["before the last try", "during the last try", "after the last try"])
def test_a_card_that_is_given_around_the_last_try_is_charged_at_most_once(world: World, given: str) -> None:
    old, new = world.key("decline-limit"), world.key()

    def give() -> None:
        replace_key.replace_key(world.ports, subscription.id, new.id)

    def during(gateway: Gateway, request: ChargeRequest) -> Outcome:
        if given == "during the last try" and request.customer_uid == old.customer_uid:
            give()
        return gateway.charge(request)

    subscription = world.subscribe(key=old, plan=world.plan(dunning_days=(1,)))
    world.settle()
    world.clock.advance(hours=23)
    if given == "before the last try":
        give()
    world.clock.advance(hours=1)
    world.with_ports(gateway=Around(world.ports.gateway, during)).settle()
    if given == "after the last try":
        give()
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, len(world.money(invoice))) == ("paid", 1)
    assert len(world.ledger(old)) == (1 if given == "before the last try" else 2)
    world.assert_books_agree()
