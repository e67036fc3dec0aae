"""The drain after an outage: late work starts at one rate for all scans, and what is due now goes first."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from billing_worker.domain.payment import Failed
from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.charge import collect
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.subscription import renew
from tests.support.gateways import Around, answers
from tests.support.world import World, open_period, renew_and_charge

pytestmark = pytest.mark.long

RATE = 60
"""One a second; a burst is then five."""
LATE = 80


def subscribe_many(world: World, count: int) -> list[Subscription]:
    plan, key = world.plan(), world.key()
    return [world.subscribe(plan=plan, key=key, allow_duplicate=True) for _ in range(count)]


@pytest.fixture
def paced(world: World, another_process) -> list[World]:
    """Two processes of one merchant, and late subscriptions."""
    both = [world.with_ports(catch_up_rate=RATE), another_process().with_ports(catch_up_rate=RATE)]
    subscribe_many(world, LATE)
    world.clock.advance(hours=2)
    return both


def drained(worlds: list[World], seconds: int) -> list[int]:
    """How many late renewals started in each second, both processes scanning and serving at once."""
    clock, found = worlds[0].clock, []
    with ThreadPoolExecutor(len(worlds)) as pool:
        for _ in range(seconds):
            start = threading.Barrier(len(worlds))

            def scan(one: World, start=start) -> int:
                start.wait(10)
                ids = renew.due(one.ports, 500)
                for ident in ids:
                    renew_and_charge(one.ports, ident)
                return len(ids)

            found.append(sum(pool.map(scan, worlds)))
            clock.advance(seconds=1)
    return found


@pytest.mark.fm("A13")
@pytest.mark.fm("A6")
def test_two_scans_share_one_rate_and_the_backlog_goes_down_evenly(paced: list[World]) -> None:
    assert drained(paced, 45) == [0, *[1] * 44]
    standing = report(paced[0].ports, "UTC")
    assert len(paced[0].money()) == 44
    assert standing.standing.late == LATE - 44
    assert standing.drain is not None
    assert (standing.drain.late, standing.drain.per_minute) == (LATE - 44, RATE)
    assert standing.drain.done_at == paced[0].clock.real_now() + timedelta(seconds=LATE - 44)


@pytest.mark.fm("A13")
def test_what_is_due_now_goes_first_and_all_at_once(paced: list[World]) -> None:
    drained(paced, 3)
    fresh = subscribe_many(paced[0], 30)
    assert set(renew.due(paced[0].ports, 500)) >= {one.id for one in fresh}
    assert len(renew.due(paced[1].ports, 500)) == 0


def test_a_full_scan_of_fresh_work_leaves_the_late_work_for_the_next_one(paced: list[World]) -> None:
    drained(paced, 1)
    fresh = {one.id for one in subscribe_many(paced[0], 10)}
    paced[0].clock.advance(seconds=4)
    assert set(renew.due(paced[0].ports, 10)) == fresh
    assert renew.due(paced[0].ports, 10) == []
    for ident in fresh:
        open_period(paced[0].ports, ident)
    assert len(renew.due(paced[0].ports, 10)) == 5


def test_after_a_rest_no_more_than_five_seconds_worth_starts_at_once(paced: list[World]) -> None:
    drained(paced, 1)
    paced[0].clock.advance(minutes=30)
    assert len(renew.due(paced[0].ports, 500)) == 5


@pytest.mark.fm("A13")
@pytest.mark.fm("C33")
def test_late_renewals_and_late_charges_each_get_half_and_neither_starves(paced: list[World]) -> None:
    world = paced[0]
    for ident in [row["id"] for row in world.rows("SELECT id FROM subscriptions ORDER BY id LIMIT 40")]:
        open_period(world.ports, ident)
    opened = charged = 0
    for _ in range(41):
        ids = renew.due(world.ports, 500)
        for ident in ids:
            open_period(world.ports, ident)
        due = collect.due(world.ports, 500)
        for ident in due:
            collect.collect(world.ports, [ident])
        opened, charged = opened + len(ids), charged + len(due)
        world.clock.advance(seconds=1)
    assert (opened, charged) == (20, 20)
    assert len(world.money()) == 20
    world.assert_books_agree(at_rest=False)


@pytest.mark.fm("C33")
def test_what_a_dead_gateway_left_behind_is_charged_at_the_rate_when_it_is_back(world: World) -> None:
    slow = world.with_ports(catch_up_rate=RATE)
    subscribe_many(world, 25)
    dead = slow.with_ports(gateway=Around(world.ports.gateway, answers(Failed("connection refused"))))
    dead.settle()
    for _ in range(24):
        world.clock.advance(minutes=5)
        dead.tick()
    assert {row["failures"] > 0 for row in world.rows("SELECT failures FROM invoices")} == {True}
    world.clock.advance(hours=1)
    per_second = []
    while not per_second or sum(per_second) < 25:
        per_second.append(slow.collect())
        world.clock.advance(seconds=1)
        assert len(per_second) < 60
    assert max(per_second) <= 5
    assert sum(per_second[1:]) <= len(per_second)
    assert len(world.money()) == 25
    slow.settle()
    world.assert_books_agree()


def test_without_a_rate_everything_is_handed_out_at_once_oldest_first(world: World) -> None:
    subscribe_many(world, 30)
    world.clock.advance(days=2)
    assert len(renew.due(world.ports, 500)) == 30


def test_late_work_takes_at_most_half_of_the_queue(world: World) -> None:
    fast = world.with_ports(catch_up_rate=1_000_000)
    subscribe_many(world, 20)
    world.renew()
    world.clock.advance(hours=2)
    collect.due(fast.ports, 10)
    world.clock.advance(seconds=1)
    assert len(collect.due(fast.ports, 10)) == 5
    assert len(collect.due(fast.ports, 10)) == 0
    fresh = world.subscribe()
    world.renew()
    assert collect.due(fast.ports, 10) == [world.invoice(fresh).id]


@pytest.mark.fm("H1")
def test_a_clock_that_goes_back_starts_nothing_and_loses_nothing(paced: list[World]) -> None:
    drained(paced, 3)
    clock = paced[0].clock
    clock._real -= timedelta(hours=1)
    assert len(renew.due(paced[0].ports, 500)) == 0
    clock.advance(seconds=2)
    assert len(renew.due(paced[0].ports, 500)) == 2
