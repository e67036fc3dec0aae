"""Two live subscriptions of one customer on one plan that begin within a day: one alert asks an operator."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.alerts import Alert
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.usecases.control.stop_charging import stops
from billing_worker.usecases.review import audit as auditing
from billing_worker.usecases.review.audit import audit_recent
from billing_worker.usecases.subscription import subscribe as subscribing
from billing_worker.usecases.subscription.subscribe import NewSubscription
from tests.support.alerts import proposed, said
from tests.support.world import World


def come(world: World, plan: Plan, customer: str = "kim") -> Subscription:
    """As an older release did it, without asking whether another one is intended."""
    made = subscribing.subscribe(world.ports, NewSubscription(plan.id, world.key().id, customer, allow_duplicate=True))
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE subscriptions SET allow_duplicate = false"))
    world.settle()
    return made


def told(world: World) -> list[Alert]:
    """What the next periodic audit leaves open."""
    world.clock.advance(minutes=6)
    (ident,) = auditing.due(world.ports, 1)
    audit_recent(world.ports, ident)
    return sorted((each for each in world.alerts() if each.kind == "twin_subscription"), key=lambda each: each.id)


@pytest.mark.fm("D3")
def test_a_twin_is_told_with_a_proposal_and_charged_all_the_same(world: World) -> None:
    plan = world.plan()
    first, second = come(world, plan), come(world, plan)
    (alert,) = told(world)
    later, earlier = sorted((first.id, second.id), key=lambda ident: ident == alert.subject_id, reverse=True)
    assert said(alert) == (
        f"subscription {later} is on plan {plan.id} for the same customer as {earlier}, "
        "and both are first charged within a day of each other"
    )
    assert f"billing-worker subscription cancel {later}" in proposed(alert)
    assert stops(world.ports, 10) == []
    assert len(world.money()) == 2
    assert [each.id for each in told(world)] == [alert.id]


def test_another_customer_another_plan_and_another_day_are_no_twins(world: World) -> None:
    plan = world.plan()
    come(world, plan)
    come(world, plan, "lee")
    come(world, world.plan())
    world.clock.advance(days=1, seconds=1)
    come(world, plan)
    assert told(world) == []


def test_what_was_there_before_this_release_is_told_too(world: World) -> None:
    plan = world.plan()
    for _ in range(2):
        come(world, plan)
    told(world)
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM alerts"))
    world.clock.advance(days=400)
    world.settle()
    assert len(told(world)) == 1


def test_it_is_the_first_charge_that_counts_and_not_the_anchor(world: World) -> None:
    """An imported subscription has an anchor of long ago, and is charged from its next date on."""
    plan = world.plan()
    long_ago = world.clock.now() - timedelta(days=400)
    subscribing.subscribe(world.ports, NewSubscription(plan.id, world.key().id, "kim", start=long_ago))
    (imported,) = world.rows("SELECT next_period_start FROM subscriptions")
    assert told(world) == []
    world.run_until(imported["next_period_start"])
    come(world, plan)
    assert len(told(world)) == 1


def test_one_that_is_meant_beside_another_is_none(world: World) -> None:
    plan, key = world.plan(), world.key()
    subscribing.subscribe(world.ports, NewSubscription(plan.id, key.id, "kim"))
    subscribing.subscribe(world.ports, NewSubscription(plan.id, key.id, "kim", allow_duplicate=True))
    world.settle()
    assert told(world) == []


def test_it_closes_when_one_of_both_is_canceled(world: World) -> None:
    plan = world.plan()
    come(world, plan)
    second = come(world, plan)
    assert len(told(world)) == 1
    world.cancel(second)
    assert told(world) == []


def test_a_pair_that_an_operator_accepted_is_not_told_again_and_a_third_is(world: World) -> None:
    plan = world.plan()
    come(world, plan)
    come(world, plan)
    (alert,) = told(world)
    close_alert(world.ports, alert.id)
    assert told(world) == []
    third = come(world, plan)
    (another,) = told(world)
    assert another.id != alert.id
    assert third.id in said(another)


def test_however_many_there_are_few_are_told_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "MOST_TWINS", 2)
    plan = world.plan()
    for _ in range(5):
        come(world, plan)
    assert len(told(world)) == 2
    assert len(told(world)) == 2
