"""Outages of an hour, a day, three days and forty: what each catch-up policy bills, by the gateway's ledger."""

from collections import Counter
from datetime import timedelta

import pytest

from billing_worker.domain.catch_up import CatchUpMode, policy_of
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.control import Chosen
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.usecases.incoming.tidy import INBOX, tidy
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.subscription import catch_up, create_plan
from billing_worker.usecases.subscription import subscribe as subscribing
from billing_worker.usecases.subscription.backlog import Preview, preview
from billing_worker.usecases.subscription.subscribe import NewSubscription
from tests.support.alerts import said
from tests.support.world import World

pytestmark = pytest.mark.long

DAY = timedelta(days=1)
EVERYBODY = Chosen()


def plan_that(world: World, mode: str, max_age: int = 90, amount: int = 1000, **calendar: object) -> Plan:
    made = create_plan.calendar_from(**calendar)
    policy = policy_of(mode, max_age)
    return create_plan.create_plan(world.ports, f"{mode} plan", amount, "KRW", calendar=made, catch_up=policy)


def payments(world: World, subscription: Subscription) -> list[int]:
    """Which periods of a subscription the gateway holds money for, one entry a payment."""
    owner = {invoice.merchant_uid: invoice.period.index for invoice in world.invoices(subscription)}
    return sorted(owner[row["merchant_uid"]] for row in world.money() if row["merchant_uid"] in owner)


def waived(world: World, subscription: Subscription) -> int:
    rows = world.rows(
        "SELECT data FROM outbox WHERE type = 'subscription.periods_skipped' AND subject_id = :id", id=subscription.id
    )
    return sum(row["data"]["count"] for row in rows)


OUTAGES = {"1 h": timedelta(hours=1), "26 h": timedelta(hours=26), "72 h": 3 * DAY, "40 d": 40 * DAY}
DAILY_PERIODS = {
    ("bill_all", "72 h"): [0, 1, 2, 3],
    ("bill_all", "40 d"): [*range(41)],
    ("latest_only", "72 h"): [0, 3],
    ("latest_only", "40 d"): [0, 40],
    ("forgive", "72 h"): [0, 3],
    ("forgive", "40 d"): [0, 40],
    ("ask", "72 h"): [0],
    ("ask", "40 d"): [0],
}
"""After an hour or 26 hours no subscription is late: begun periods are billed. The period that begins now is never
late."""
BEGUN = {"1 h": [0], "26 h": [0, 1]}


@pytest.mark.fm("A6")
@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("mode", CatchUpMode)
def test_after_an_outage_each_policy_bills_what_it_says(world: World, mode: CatchUpMode, outage: str) -> None:
    daily = world.subscribe(plan=plan_that(world, mode, interval="day"))
    monthly = world.subscribe(plan=plan_that(world, mode, interval="month"))
    world.settle()
    world.clock.advance_to(world.clock.now() + OUTAGES[outage])
    world.settle()
    billed = DAILY_PERIODS.get((mode, outage)) or BEGUN[outage]
    assert payments(world, daily) == billed
    late_month = outage == "40 d"
    assert payments(world, monthly) == ([0, 1] if late_month and mode in ("bill_all", "latest_only") else [0])
    held = mode == "ask" and outage in ("72 h", "40 d")
    assert (world.subscription(daily).held_since is not None) is held
    assert {alert.subject_id for alert in world.alerts()} == (
        {daily.plan_id} | ({monthly.plan_id} if late_month else set()) if held else set()
    )
    world.assert_books_agree()
    world.run_until(world.clock.now() + 3 * DAY)
    assert payments(world, daily) == (billed if held else [*billed, *range(billed[-1] + 1, billed[-1] + 4)])
    world.assert_books_agree()


@pytest.mark.fm("A6")
def test_forgiving_skips_the_period_that_was_not_opened_and_bills_the_next_one_at_its_time(world: World) -> None:
    monthly = world.subscribe(plan=plan_that(world, "forgive", interval="month"))
    world.settle()
    world.clock.advance(days=40)
    world.settle()
    assert waived(world, monthly) == 1
    assert world.subscription(monthly).next_period_index == 2
    told = why(world.ports, monthly.id)
    assert any("2026-02-28 to 2026-02-28 waived: 1 late periods, never charged" in line for line in told.history)
    world.run_until(world.clock.now() + 30 * DAY)
    assert payments(world, monthly) == [0, 2]
    world.assert_books_agree()


@pytest.mark.fm("A6")
@pytest.mark.parametrize("mode", ["bill_all", "latest_only", "forgive"])
def test_what_is_older_than_the_maximum_age_waits_for_an_operator(world: World, mode: str) -> None:
    daily = world.subscribe(plan=plan_that(world, mode, max_age=30, interval="day"))
    world.settle()
    world.clock.advance(days=33)
    world.settle()
    assert payments(world, daily) == [0]
    assert world.subscription(daily).held_since == world.clock.now()
    assert f"--subscription {daily.id}" in why(world.ports, daily.id).next
    assert report(world.ports, "UTC").standing.on_hold == 1
    world.assert_books_agree()


def crowd(world: World) -> list[Subscription]:
    """Customers on several plans, two of them with two subscriptions, all late by more than five weeks."""
    plans = [
        plan_that(world, mode, amount=amount, interval=interval)
        for mode, amount, interval in (("ask", 700, "week"), ("ask", 9900, "month"), ("latest_only", 50, "day"))
    ]
    keys = [world.key() for _ in range(3)]
    made = [
        subscribing.subscribe(world.ports, NewSubscription(plan.id, key.id, f"customer {number}"))
        for plan in plans
        for number, key in enumerate(keys)
    ]
    world.settle()
    world.clock.advance(days=38, hours=2)
    return made


def sums(found: Preview) -> tuple[int, int, int]:
    """Periods to bill, periods to waive, minor units to bill."""
    return (
        sum(line.bill for line in found.plans),
        sum(line.waive for line in found.plans),
        sum(line.sum(line.bill).amount for line in found.plans),
    )


@pytest.mark.fm("A6")
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("mode", ["bill_all", "latest_only", "forgive"])
def test_the_preview_of_a_decision_is_what_then_happens(world: World, mode: str, held: bool) -> None:  # noqa: FBT001
    subscriptions = crowd(world)
    if held:
        world.settle()
        assert [alert.kind for alert in world.alerts()] == ["catch_up", "catch_up"]
    before = Counter({row["imp_uid"]: row["amount"] for row in world.money()})
    already = sum(waived(world, each) for each in subscriptions)
    found = preview(world.ports, EVERYBODY, mode)
    bill, waive, money = sums(found)
    concerned = catch_up.decide_late(world.ports, mode, EVERYBODY)
    assert sum(concerned.values()) == sum(line.subscriptions for line in found.plans) == (6 if held else 9)
    assert world.alerts() == []
    world.settle()
    new = [row for row in world.money() if row["imp_uid"] not in before]
    assert (len(new), sum(row["amount"] for row in new)) == (bill, money)
    assert sum(waived(world, each) for each in subscriptions) - already == waive
    assert preview(world.ports, EVERYBODY).plans == []
    world.assert_books_agree()


def test_the_preview_follows_the_policies_without_a_decision(world: World) -> None:
    crowd(world)
    found = preview(world.ports, EVERYBODY)
    lines = {(line.mode, line.price.amount): (line.bill, line.waive, line.ask) for line in found.plans}
    assert lines == {("ask", 700): (0, 0, 15), ("ask", 9900): (0, 0, 3), ("latest_only", 50): (3, 111, 0)}
    assert {line.subscriptions for line in found.plans} == {3}
    assert {line.on_hold for line in found.plans} == {0}
    weekly = next(line for line in found.plans if line.price.amount == 700)
    assert weekly.oldest_due == world.clock.now() - timedelta(days=31, hours=2)
    assert world.rows("SELECT * FROM invoices WHERE created_at >= :now", now=world.clock.now()) == []


def test_who_would_pay_twice_in_a_week_is_who_then_does(world: World) -> None:
    crowd(world)
    found = preview(world.ports, EVERYBODY, "latest_only")
    assert found.paying_twice == 3
    first = found.paying_twice_first[0]
    assert (first.customer, first.payments, first.late) == ("customer 0", 11, 3)
    assert first.sums == {"KRW": 2 * 700 + 9900 + 8 * 50}
    before = len(world.money())
    catch_up.decide_late(world.ports, "latest_only", EVERYBODY)
    world.run_until(world.clock.now() + 7 * DAY)
    assert len(world.money()) - before == 3 * first.payments


def test_one_late_period_of_a_monthly_customer_is_no_second_payment_in_a_week(world: World) -> None:
    world.subscribe(plan=plan_that(world, "bill_all", interval="month"))
    world.settle()
    world.clock.advance(days=32)
    assert preview(world.ports, EVERYBODY).paying_twice == 0
    world.clock.advance(days=22)
    assert preview(world.ports, EVERYBODY).paying_twice == 1


def test_a_decision_for_one_plan_or_one_subscription_leaves_the_others_on_hold(world: World) -> None:
    subscriptions = crowd(world)
    world.settle()
    weekly, monthly = subscriptions[0], subscriptions[3]
    assert catch_up.decide_late(world.ports, "forgive", Chosen(subscription_id=weekly.id)) == {weekly.plan_id: 1}
    assert {alert.subject_id for alert in world.alerts()} == {weekly.plan_id, monthly.plan_id}
    assert catch_up.decide_late(world.ports, "bill_all", Chosen(plan_id=monthly.plan_id)) == {monthly.plan_id: 3}
    assert {alert.subject_id for alert in world.alerts()} == {weekly.plan_id}
    world.settle()
    assert payments(world, weekly) == [0]
    assert waived(world, weekly) == 5
    assert payments(world, monthly) == [0, 1]
    assert [world.subscription(each).held_since is None for each in subscriptions[:3]] == [True, False, False]
    world.assert_books_agree()


def test_the_same_decision_twice_is_one_and_a_waived_period_is_billed_by_no_later_one(world: World) -> None:
    daily = world.subscribe(plan=plan_that(world, "ask", interval="day"))
    world.settle()
    world.clock.advance(days=10)
    world.settle()
    for _ in range(2):
        assert catch_up.decide_late(world.ports, "latest_only", EVERYBODY) == {daily.plan_id: 1}
    world.settle()
    assert payments(world, daily) == [0, 10]
    assert catch_up.decide_late(world.ports, "bill_all", EVERYBODY) == {}
    world.settle()
    assert payments(world, daily) == [0, 10]
    assert waived(world, daily) == 9
    world.assert_books_agree()


def test_who_leaves_at_the_end_of_the_period_is_not_late_and_ends(world: World) -> None:
    leaving = world.subscribe(plan=plan_that(world, "ask", interval="week"))
    world.settle()
    world.cancel(leaving, at_period_end=True)
    world.clock.advance(days=30)
    assert preview(world.ports, EVERYBODY).plans == []
    world.settle()
    assert world.subscription(leaving).status == "canceled"
    assert world.alerts() == []


def test_who_is_on_hold_and_leaves_at_the_end_of_the_period_ends_and_no_operator_is_asked_any_more(
    world: World,
) -> None:
    leaving = world.subscribe(plan=plan_that(world, "ask", interval="week"))
    world.settle()
    world.clock.advance(days=30)
    world.settle()
    assert [alert.kind for alert in world.alerts()] == ["catch_up"]
    world.cancel(leaving, at_period_end=True)
    world.settle()
    assert world.subscription(leaving).status == "canceled"
    assert report(world.ports, "UTC").standing.on_hold == 0
    tidy(world.ports, INBOX)
    assert world.alerts() == []
    assert payments(world, leaving) == [0]


def test_who_is_on_hold_is_not_forgotten_when_an_operator_closes_the_alert(world: World) -> None:
    waiting = world.subscribe(plan=plan_that(world, "ask", interval="week"))
    world.settle()
    world.clock.advance(days=30)
    world.settle()
    [asked] = world.alerts()
    close_alert(world.ports, asked.id)
    world.settle()
    tidy(world.ports, INBOX)
    [again] = world.alerts()
    assert (again.kind, again.subject_id, said(again)) == ("catch_up", waiting.plan_id, said(asked))
    catch_up.decide_late(world.ports, "forgive", EVERYBODY)
    tidy(world.ports, INBOX)
    assert world.alerts() == []


def test_who_is_on_hold_and_is_canceled_is_the_last_who_was_asked_about(world: World) -> None:
    plan = plan_that(world, "ask", interval="week")
    first, last = world.subscribe(plan=plan), world.subscribe(plan=plan)
    world.settle()
    world.clock.advance(days=30)
    world.settle()
    world.cancel(first)
    tidy(world.ports, INBOX)
    assert [alert.kind for alert in world.alerts()] == ["catch_up"]
    world.cancel(last)
    tidy(world.ports, INBOX)
    assert world.alerts() == []
