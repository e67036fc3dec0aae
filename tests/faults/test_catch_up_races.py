"""An operator decides while workers renew, or two decide at once: each period is billed once or waived."""

from collections.abc import Callable
from contextlib import closing

import pytest

from billing_worker.domain.catch_up import policy_of
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.control import Chosen
from billing_worker.usecases.subscription import catch_up, create_plan
from billing_worker.usecases.subscription import subscribe as subscribing
from billing_worker.usecases.subscription.backlog import preview
from billing_worker.usecases.subscription.subscribe import NewSubscription
from tests.faults.test_two_workers_race import at_once
from tests.support.world import World

pytestmark = pytest.mark.long

EVERYBODY = Chosen()
MANY, DAYS = 12, 6


@pytest.fixture
def late(world: World) -> list[Subscription]:
    """Daily subscriptions whose plan asks, six days late."""
    calendar = create_plan.calendar_from(interval="day")
    policy = policy_of("ask", 90)
    plan = create_plan.create_plan(world.ports, "Daily", 100, "KRW", calendar=calendar, catch_up=policy)
    key = world.key()
    made = [
        subscribing.subscribe(world.ports, NewSubscription(plan.id, key.id, "c", allow_duplicate=True))
        for _ in range(MANY)
    ]
    world.settle()
    world.clock.advance(days=DAYS)
    return made


def stories(world: World, subscription: Subscription) -> list[int]:
    """Period numbers that were billed, then those that were waived, by what the database kept."""
    billed = [invoice.period.index for invoice in world.invoices(subscription)]
    gaps = set(range(world.subscription(subscription).next_period_index)) - set(billed)
    counted = world.rows(
        "SELECT sum((data->>'count')::int) AS n FROM outbox WHERE type = 'subscription.periods_skipped'"
        " AND subject_id = :id",
        id=subscription.id,
    )
    assert len(gaps) == (counted[0]["n"] or 0)
    return billed


@pytest.mark.fm("A6")
@pytest.mark.parametrize("mode", ["bill_all", "latest_only", "forgive"])
def test_a_decision_while_workers_put_on_hold_reaches_everybody(
    world: World, another_process: Callable[[], World], late: list[Subscription], mode: str
) -> None:
    other, person = another_process(), another_process()
    at_once(world.tick, other.tick, lambda: catch_up.decide_late(person.ports, mode, EVERYBODY))
    world.settle()
    # Subscriptions put on hold after the decision are also decided: it names all late ones.
    assert world.alerts() == []
    expected = {"bill_all": [*range(DAYS + 1)], "latest_only": [0, DAYS], "forgive": [0, DAYS]}[mode]
    assert [stories(world, each) for each in late] == [expected] * MANY
    assert len(world.money()) == MANY * len(expected)
    world.assert_books_agree()


@pytest.mark.fm("A6")
def test_two_persons_who_decide_differently_at_once_leave_one_story_a_period(
    world: World, another_process: Callable[[], World], late: list[Subscription]
) -> None:
    world.settle()
    others = [another_process() for _ in range(3)]
    at_once(
        lambda: catch_up.decide_late(others[0].ports, "bill_all", EVERYBODY),
        lambda: catch_up.decide_late(others[1].ports, "latest_only", EVERYBODY),
        others[2].tick,
        world.tick,
    )
    world.settle()
    for each in late:
        assert stories(world, each) in ([*range(DAYS + 1)], [0, DAYS], [0, 1, DAYS])
    assert preview(world.ports, EVERYBODY).plans == []
    assert world.alerts() == []
    world.assert_books_agree()


def test_a_change_of_mind_holds_for_what_the_workers_have_not_come_to(world: World, late: list[Subscription]) -> None:
    catch_up.decide_late(world.ports, "bill_all", EVERYBODY)
    world.renew_and_charge()
    world.renew_and_charge()
    catch_up.decide_late(world.ports, "forgive", EVERYBODY)
    world.settle()
    assert [stories(world, each) for each in late] == [[0, 1, 2, DAYS]] * MANY
    world.assert_books_agree()


def test_the_preview_neither_waits_for_a_worker_nor_keeps_one_waiting(
    world: World, another_process: Callable[[], World], late: list[Subscription]
) -> None:
    other = another_process()
    with world.ports.database.transaction() as uow:
        uow.subscriptions.lock(late[0].id)
        assert sum(line.subscriptions for line in preview(other.ports, EVERYBODY).plans) == MANY
    with (
        other.ports.database.transaction() as uow,
        closing(uow.catch_up.late(world.clock.now(), EVERYBODY)) as reading,
    ):
        next(reading)
        world.tick()
    assert {world.subscription(each).held_since for each in late} == {world.clock.now()}
