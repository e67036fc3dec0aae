"""One clerk's work in PortOne's console is booked, or given back, with an alert, and stops no other customer."""

import pytest

from billing_worker.domain.runaway import MANY_CUSTOMERS, MOST_CUSTOMERS_BY_HAND, Reached, is_runaway
from billing_worker.domain.stop import ALL
from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.usecases.control.stop_charging import clear_stop, stops
from billing_worker.usecases.review.audit import Audit, audit
from tests.support.alerts import said
from tests.support.sandbox import Row
from tests.support.world import World


def whole(world: World, *, sample: int = 50) -> Audit:
    return audit(world.ports, since=None, sample=sample)


def pay(world: World, subscription: Subscription) -> Row:
    """A clerk charges the order of this subscription's only invoice in PortOne's console; its webhook arrives."""
    row: Row = world.sandbox.control("/operator/pay", merchant_uid=world.invoice(subscription).merchant_uid)
    world.webhook(row["imp_uid"], row["merchant_uid"])
    world.settle()
    return row


def unpaid(world: World, count: int) -> list[Subscription]:
    plan = world.plan()
    made = [world.subscribe("decline-limit", plan=plan) for _ in range(count)]
    world.settle()
    return made


def kinds(world: World) -> list[str]:
    return sorted(alert.kind for alert in world.alerts())


@pytest.mark.fm("C35")
def test_a_clerks_payment_of_an_unpaid_order_is_booked_told_once_and_stops_no_customer(world: World) -> None:
    [subscription] = unpaid(world, 1)
    row = pay(world, subscription)
    assert world.invoice(subscription).status == "paid"
    found = whole(world)
    assert (found.breaches, found.stops, stops(world.ports, 10)) == (0, [], [])
    (alert,) = world.alerts()
    assert (alert.kind, row["imp_uid"] in said(alert)) == ("unasked_payment", True)
    assert world.invoice(subscription).id in said(alert)
    other = world.subscribe()
    world.settle()
    assert world.invoice(other).status == "paid", "everybody else is charged"
    close_alert(world.ports, alert.id)
    world.webhook(row["imp_uid"], row["merchant_uid"])
    world.settle()
    assert whole(world).breaches == 0
    assert world.alerts() == [], "a closed alert does not open again"


@pytest.mark.fm("C35")
def test_a_clerks_payment_of_a_paid_order_is_given_back_and_stops_no_customer(world: World) -> None:
    """The audit may see it before its webhook is applied and before both books are compared."""
    subscription = world.subscribe()
    world.settle()
    row = world.sandbox.control("/operator/pay", merchant_uid=world.invoice(subscription).merchant_uid)
    world.clock.advance(minutes=6)
    found = whole(world)
    assert (found.breaches, found.stops) == (0, [])
    assert kinds(world) == ["surplus_payment"]
    world.settle()
    assert [each["imp_uid"] for each in world.money()] != [row["imp_uid"]]
    assert len(world.money()) == 1
    assert world.alerts() == []
    world.assert_books_agree()


@pytest.mark.fm("C35")
def test_a_clerks_payment_over_another_sum_is_told_and_stops_at_most_that_subscription(world: World) -> None:
    [subscription], other = unpaid(world, 1), world.subscribe()
    world.settle()
    world.sandbox.control("/operator/pay", merchant_uid=world.invoice(subscription).merchant_uid, amount=5)
    world.clock.advance(minutes=6)
    found = whole(world)
    assert {stop.scope for stop in found.stops} <= {f"subscription:{subscription.id}"}
    world.clock.advance(days=40)
    world.settle()
    assert len(world.invoices(other)) > 1
    assert {invoice.status for invoice in world.invoices(other)} == {"paid"}


def test_an_unasked_payment_that_is_given_back_needs_no_operator_any_more(world: World) -> None:
    [subscription] = unpaid(world, 1)
    row = pay(world, subscription)
    world.sandbox.control("/operator/cancel", imp_uid=row["imp_uid"])
    world.webhook(row["imp_uid"], row["merchant_uid"], "cancelled")
    world.settle()
    assert kinds(world) == ["cancelled_elsewhere"]


@pytest.mark.fm("C35")
def test_unasked_payments_of_many_customers_stop_all(world: World) -> None:
    subscriptions = unpaid(world, 2 * MOST_CUSTOMERS_BY_HAND + 2)
    for subscription in subscriptions[:MOST_CUSTOMERS_BY_HAND]:
        pay(world, subscription)
    assert whole(world).stops == [], "five customers are a clerk's day"
    pay(world, subscriptions[MOST_CUSTOMERS_BY_HAND])
    (stop,) = whole(world).stops
    assert stop.scope == ALL
    assert f"{MOST_CUSTOMERS_BY_HAND + 1} of {MOST_CUSTOMERS_BY_HAND + 1} customers" in stop.reason
    assert [each.id for each in whole(world).stops] == [stop.id]
    clear_stop(world.ports, stop.id, "it was our own campaign")
    assert whole(world).stops == [], "accepted breaches trip no second time"
    for subscription in subscriptions[MOST_CUSTOMERS_BY_HAND + 1 :]:
        world.clock.advance(seconds=1)
        pay(world, subscription)
    (again,) = whole(world).stops
    assert again.id > stop.id


def test_what_a_clerk_charges_is_none_of_this_workers_charges(world: World) -> None:
    [subscription] = unpaid(world, 1)
    before = world.clock.now()
    world.clock.advance(seconds=1)
    pay(world, subscription)
    with world.ports.database.transaction() as uow:
        assert (uow.spending.since(before, "KRW").count, uow.spending.since(before, "KRW").amount) == (0, 0)


@pytest.mark.parametrize(
    ("found", "of", "runaway"),
    [
        (Reached(MOST_CUSTOMERS_BY_HAND, {"KRW": 10**9}), Reached(MOST_CUSTOMERS_BY_HAND, {"KRW": 10**9}), False),
        (Reached(MOST_CUSTOMERS_BY_HAND + 1), Reached(MOST_CUSTOMERS_BY_HAND + 1), True),
        (Reached(6), Reached(29), True),
        (Reached(6), Reached(30), False),
        (Reached(6, {"KRW": 201}), Reached(10_000, {"KRW": 1000}), True),
        (Reached(6, {"KRW": 200, "USD": 1}), Reached(10_000, {"KRW": 1000, "USD": 5}), False),
        (Reached(6, {"USD": 2}), Reached(10_000, {"KRW": 10**9, "USD": 9}), True),
        (Reached(MANY_CUSTOMERS), Reached(10**6), False),
        (Reached(MANY_CUSTOMERS + 1), Reached(10**6), True),
    ],
)
def test_a_runaway_is_several_customers_and_a_share_a_sum_or_very_many(found, of, *, runaway) -> None:
    assert is_runaway(found, of) is runaway
