"""What merely waits because there is much of it is not late: the pace of late work applies after an interruption."""

from datetime import datetime, timedelta

import pytest

from billing_worker.domain.catch_up import BACKLOG_AFTER, OUTAGE_AFTER, ServiceSpan
from billing_worker.domain.stop import ALL, PG
from billing_worker.usecases.charge import collect
from billing_worker.usecases.control.stop_charging import clear_stop, stop_on_word
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.subscription import renew
from tests.support.world import World, renew_and_charge

pytestmark = pytest.mark.long

RATE = 60
"""One a second; a burst is then five."""
MANY = 40
A_FEW = 4
LIMIT = 500


def subscribe_many(world: World, count: int, pg: str = "nice_v2") -> None:
    plan, key = world.plan(), world.key(pg=pg)
    for _ in range(count):
        world.subscribe(plan=plan, key=key, allow_duplicate=True)


def serve(world: World, limit: int) -> int:
    """One scan of renewals with this limit, and its charges; what was claimed before is free again."""
    world.clock.advance(seconds=world.ports.timing.claim)
    ids = renew.due(world.ports, limit)
    for ident in ids:
        renew_and_charge(world.ports, ident)
    return len(ids)


def served_since(world: World) -> datetime:
    with world.ports.database.transaction() as uow:
        return uow.catch_up.service().began(world.clock.now())


def test_the_first_of_a_month_is_never_late_while_it_is_served(world: World) -> None:
    world = world.with_ports(catch_up_rate=RATE)
    subscribe_many(world, MANY)
    # Slow, but without a break: two hours later, most has been due for more than an hour.
    for _ in range(24):
        serve(world, 1)
        world.clock.advance(minutes=5)
    assert world.clock.now() - served_since(world) > timedelta(hours=1)
    assert report(world.ports, "UTC").standing.late == 0
    assert serve(world, LIMIT) == MANY - 24
    world.assert_books_agree()


def test_after_an_interruption_what_waited_through_it_is_paced(world: World) -> None:
    world = world.with_ports(catch_up_rate=RATE)
    subscribe_many(world, MANY)
    assert serve(world, A_FEW) == A_FEW
    world.clock.advance(hours=2)
    assert serve(world, LIMIT) == 0
    world.clock.advance(seconds=10)
    assert 0 < serve(world, LIMIT) <= 5
    assert report(world.ports, "UTC").standing.late >= MANY - A_FEW - 5


def test_what_fell_due_in_the_last_hour_of_an_outage_goes_at_once_and_stays_so(world: World) -> None:
    world = world.with_ports(catch_up_rate=RATE)
    subscribe_many(world, 1)
    serve(world, LIMIT)
    world.clock.advance(hours=2)
    subscribe_many(world, MANY)
    world.clock.advance(minutes=30)
    assert serve(world, A_FEW) == A_FEW
    # It goes on for longer than an hour; what was not late at the end of the outage does not become late.
    for _ in range(18):
        world.clock.advance(minutes=5)
        assert serve(world, 1) == 1
    assert world.clock.now() - served_since(world) > BACKLOG_AFTER
    assert report(world.ports, "UTC").standing.late == 0
    assert serve(world, LIMIT) == MANY - A_FEW - 18


def test_a_night_without_due_work_is_no_interruption(world: World) -> None:
    world = world.with_ports(catch_up_rate=RATE)
    subscribe_many(world, 1)
    serve(world, LIMIT)
    for _ in range(200):
        world.clock.advance(minutes=5)
        assert collect.due(world.ports, LIMIT) == []
    assert world.clock.now() - served_since(world) > timedelta(hours=16)


def test_a_stop_of_all_charging_is_an_interruption_and_that_of_one_pg_is_none(world: World) -> None:
    world = world.with_ports(catch_up_rate=RATE)
    subscribe_many(world, 1)
    serve(world, LIMIT)
    for scope in (PG + "paypal_v2", ALL):
        stop = stop_on_word(world.ports, scope, "a test").stop
        for _ in range(30):
            world.clock.advance(minutes=5)
            collect.due(world.ports, LIMIT)
        clear_stop(world.ports, stop.id, "over")
        collect.due(world.ports, LIMIT)
        interrupted = world.clock.now() - served_since(world) < OUTAGE_AFTER
        assert interrupted is (scope == ALL)


def test_scans_that_offer_work_which_no_worker_takes_are_no_service(world: World) -> None:
    world = world.with_ports(catch_up_rate=RATE)
    subscribe_many(world, MANY)
    assert serve(world, A_FEW) == A_FEW
    for _ in range(30):
        world.clock.advance(minutes=5)
        renew.due(world.ports, 5)
        collect.due(world.ports, LIMIT)
    assert world.clock.now() - served_since(world) < OUTAGE_AFTER


def test_service_is_noted_once_a_minute_and_a_clock_that_went_back_ends_none() -> None:
    start = datetime.fromisoformat("2026-03-01T00:00:00+00:00")
    span = ServiceSpan()
    assert span.late_until(start) == start - BACKLOG_AFTER
    assert not span.is_noted(start)
    span.note(start)
    assert span.is_noted(start + timedelta(seconds=59))
    assert not span.is_noted(start + timedelta(seconds=60))
    span.note(start - timedelta(hours=3))
    assert (span.since, span.seen_at) == (start, start)
    span.note(start + OUTAGE_AFTER)
    assert span.since == start
    span.note(start + 2 * OUTAGE_AFTER + timedelta(seconds=1))
    assert span.since == span.seen_at
