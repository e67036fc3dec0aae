"""Renew: each period is opened once, when it begins, with a snapshot of price and key."""

from datetime import UTC, datetime, timedelta

import pytest

from billing_worker.domain.errors import NotFound
from tests.support.world import World, open_period

DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_period_is_opened_with_a_snapshot_and_the_next_one_planned(world: World) -> None:
    plan = world.plan(7700)
    subscription = world.subscribe(plan=plan)
    invoice_id = open_period(world.ports, subscription.id)
    invoice = world.invoice(subscription)
    assert invoice.id == invoice_id
    assert (invoice.money.amount, invoice.billing_key_id) == (7700, subscription.billing_key_id)
    assert (invoice.period.start, invoice.period.end) == (at("2026-01-31T00:00"), at("2026-02-28T00:00"))
    after = world.subscription(subscription)
    assert (after.next_period_index, after.next_period_start) == (1, at("2026-02-28T00:00"))
    assert invoice.next_attempt_at == invoice.period.start


@pytest.mark.fm("A5")
def test_a_renewal_that_is_delivered_twice_opens_one_period(world: World) -> None:
    subscription = world.subscribe()
    assert open_period(world.ports, subscription.id) is not None
    assert open_period(world.ports, subscription.id) is None
    assert len(world.invoices(subscription)) == 1


def test_a_renewal_that_is_delivered_too_early_opens_nothing(world: World) -> None:
    subscription = world.subscribe(start=world.clock.now() + DAY)
    assert open_period(world.ports, subscription.id) is None
    assert world.invoices(subscription) == []


def test_a_renewal_of_nothing_is_refused(world: World) -> None:
    with pytest.raises(NotFound):
        open_period(world.ports, "sub_0000000000000000")


def test_an_old_start_is_an_anchor_and_no_customer_is_charged_for_the_time_before_they_came(world: World) -> None:
    subscription = world.subscribe(start=at("2025-08-31T00:00"))
    world.run_until(at("2026-04-01T00:00"))
    invoices = world.invoices(subscription)
    assert [f"{invoice.period.start:%m-%d}" for invoice in invoices] == ["02-28", "03-31"]
    assert [invoice.period.index for invoice in invoices] == [6, 7]
    assert len(world.money()) == 2
    world.assert_books_agree()


@pytest.mark.fm("A1")
@pytest.mark.fm("A6")
def test_after_an_outage_the_missed_periods_are_opened_in_order_and_each_paid_once(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(interval="day"))
    world.clock.advance(days=5)
    world.settle()
    invoices = world.invoices(subscription)
    assert [invoice.period.index for invoice in invoices] == [0, 1, 2, 3, 4, 5]
    assert {invoice.status for invoice in invoices} == {"paid"}
    assert len(world.money()) == 6
    world.assert_books_agree()


@pytest.mark.fm("H4")
def test_day_thirty_one_falls_on_the_last_day_of_a_short_month_and_comes_back(world: World) -> None:
    subscription = world.subscribe()
    world.run_until(at("2026-06-01T00:00"))
    starts = [invoice.period.start.strftime("%m-%d") for invoice in world.invoices(subscription)]
    assert starts == ["01-31", "02-28", "03-31", "04-30", "05-31"]
    world.assert_books_agree()


@pytest.mark.fm("L7")
def test_the_price_of_a_period_is_the_one_at_its_opening(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(5000, interval="day"))
    world.settle()
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE plans SET amount = 6000")
    world.run_until(world.clock.now() + DAY)
    assert [invoice.money.amount for invoice in world.invoices(subscription)] == [5000, 6000]
    assert [row["amount"] for row in world.money()] == [5000, 6000]


def test_at_the_end_of_the_period_a_cancellation_takes_effect_and_nothing_more_is_charged(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(interval="week"))
    world.settle()
    world.cancel(subscription, at_period_end=True)
    world.run_until(world.clock.now() + 6 * DAY)
    assert world.subscription(subscription).status == "active"
    world.run_until(world.clock.now() + 20 * DAY)
    after = world.subscription(subscription)
    assert (after.status, after.canceled_at) == ("canceled", at("2026-02-07T00:00"))
    assert len(world.invoices(subscription)) == len(world.ledger()) == 1
    assert world.events().count("subscription.canceled") == 1


def test_a_subscription_that_was_canceled_before_it_began_is_never_charged(world: World) -> None:
    subscription = world.subscribe(start=world.clock.now() + DAY)
    world.cancel(subscription)
    world.run_until(world.clock.now() + 3 * DAY)
    assert world.invoices(subscription) == []
    assert world.ledger() == []


def test_a_cancellation_at_the_period_end_of_an_unpaid_customer_still_ends_the_subscription(world: World) -> None:
    """Without payments no period ever ends: the customer asked to leave, and must not stay for ever."""
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=(1,)))
    world.run_until(world.clock.now() + 2 * DAY)
    assert world.subscription(subscription).status == "unpaid"
    world.cancel(subscription, at_period_end=True)
    world.run_until(world.clock.now() + 60 * DAY, 5 * DAY)
    assert world.subscription(subscription).status == "canceled"


def test_after_unpaid_the_periods_without_service_are_left_out_and_said_so(world: World) -> None:
    subscription = world.subscribe("decline-limit", plan=world.plan(interval="week", dunning_days=(1,)))
    world.run_until(world.clock.now() + 30 * DAY)
    assert world.subscription(subscription).status == "unpaid"
    first = world.invoices(subscription)[0]
    paid = world.sandbox.control("/operator/pay", merchant_uid=first.merchant_uid)
    world.webhook(paid["imp_uid"], paid["merchant_uid"])
    world.settle()
    assert world.subscription(subscription).status == "active"
    assert [invoice.period.index for invoice in world.invoices(subscription)] == [0]
    world.run_until(world.clock.now() + 6 * DAY)
    assert [invoice.period.index for invoice in world.invoices(subscription)] == [0, 5]
    (event,) = world.rows("SELECT data FROM outbox WHERE type = 'subscription.activated'")
    assert event["data"]["skipped_periods"] == 4
    world.assert_books_agree()
