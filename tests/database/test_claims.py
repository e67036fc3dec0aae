"""Claims: a scan claims each row once at a time, and again when no worker started it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event

from billing_worker.usecases.charge import collect, reconcile
from billing_worker.usecases.incoming import apply, receive
from billing_worker.usecases.subscription import renew
from tests.support.world import World, open_period

pytestmark = pytest.mark.long

MANY = 200


def subscribe_many(world: World, count: int) -> None:
    plan, key = world.plan(), world.key()
    for _ in range(count):
        world.subscribe(plan=plan, key=key, allow_duplicate=True)


@pytest.mark.fm("A4")
@pytest.mark.fm("A5")
def test_two_scans_at_once_never_claim_the_same_invoice(world: World, another_process) -> None:
    subscribe_many(world, MANY)
    world.renew()
    worlds = [world, another_process()]
    start = threading.Barrier(2)

    def scan(one: World) -> list[str]:
        start.wait(10)
        found: list[str] = []
        for _ in range(MANY):
            ids = collect.due(one.ports, len(found) + 7)
            found += ids
            if not ids and len(found) >= MANY:
                break
        return found

    with ThreadPoolExecutor(2) as pool:
        claimed = [ident for found in pool.map(scan, worlds) for ident in found]
    assert len(claimed) == len(set(claimed))
    assert len(claimed) <= MANY
    while more := collect.due(world.ports, len(claimed) + 50):
        claimed += more
    assert len(claimed) == len(set(claimed)) == MANY


@pytest.mark.fm("A4")
def test_two_scans_at_once_never_claim_the_same_renewal(world: World, another_process) -> None:
    subscribe_many(world, MANY)
    start = threading.Barrier(2)

    def scan(one: World) -> list[str]:
        start.wait(10)
        found: list[str] = []
        for _ in range(MANY):
            ids = renew.due(one.ports, len(found) + 7)
            found += ids
            if not ids and len(found) >= MANY:
                break
        return found

    with ThreadPoolExecutor(2) as pool:
        claimed = [ident for found in pool.map(scan, [world, another_process()]) for ident in found]
    assert len(claimed) == len(set(claimed))
    while more := renew.due(world.ports, len(claimed) + 50):
        claimed += more
    assert len(claimed) == len(set(claimed)) == MANY


@pytest.mark.fm("A3")
def test_a_claim_that_no_worker_started_is_offered_again_when_it_expires(world: World) -> None:
    subscribe_many(world, 3)
    first = renew.due(world.ports, 10)
    assert len(first) == 3
    assert not renew.due(world.ports, 10)
    world.clock.advance(seconds=world.ports.timing.claim)
    assert sorted(renew.due(world.ports, 10)) == sorted(first)
    for ident in first:
        open_period(world.ports, ident)
    due = collect.due(world.ports, 10)
    assert len(due) == 3
    assert not collect.due(world.ports, 10)
    world.clock.advance(seconds=world.ports.timing.claim)
    assert sorted(collect.due(world.ports, 10)) == sorted(due)


def test_each_claim_of_an_invoice_has_a_newer_fence(world: World) -> None:
    subscription = world.subscribe()
    world.renew()
    fences = []
    for _ in range(3):
        assert collect.due(world.ports, 10)
        fences.append(world.invoice(subscription).fence)
        world.clock.advance(seconds=world.ports.timing.claim)
    assert fences == [1, 2, 3]


@pytest.mark.fm("A11")
def test_a_locked_row_is_left_out_and_the_others_are_served(world: World) -> None:
    subscribe_many(world, 3)
    world.renew()
    with world.engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM invoices ORDER BY id LIMIT 1 FOR UPDATE")
        assert len(collect.due(world.ports, 10)) == 2
    assert len(collect.due(world.ports, 10)) == 1


def test_the_oldest_debt_is_served_first(world: World) -> None:
    plan, key = world.plan(interval="year"), world.key()
    younger = world.subscribe(plan=plan, key=key, allow_duplicate=True, start=world.clock.now() + timedelta(days=4))
    oldest = world.subscribe(plan=plan, key=key, allow_duplicate=True)
    youngest = world.subscribe(plan=plan, key=key, allow_duplicate=True, start=world.clock.now() + timedelta(days=7))
    world.clock.advance(days=9)
    served = [ident for most in (1, 2, 3) for ident in renew.due(world.ports, most)]
    assert served == [oldest.id, younger.id, youngest.id]


@pytest.mark.fm("A9")
def test_a_scan_tops_the_queue_up_and_does_not_lengthen_it(world: World) -> None:
    subscribe_many(world, 10)
    world.renew()
    assert len(collect.due(world.ports, 4)) == 4
    assert len(collect.due(world.ports, 4)) == 0
    assert len(collect.due(world.ports, 6)) == 2


def test_a_scan_of_renewals_tops_the_queue_up_and_does_not_lengthen_it(world: World) -> None:
    for _ in range(5):
        world.subscribe()
    first = renew.due(world.ports, 3)
    assert len(first) == 3
    assert renew.due(world.ports, 3) == []
    open_period(world.ports, first[0])
    assert len(renew.due(world.ports, 3)) == 1


def test_what_was_charged_makes_room_in_the_queue(world: World) -> None:
    subscribe_many(world, 4)
    world.renew()
    for ident in collect.due(world.ports, 2):
        collect.collect(world.ports, [ident])
    assert len(collect.due(world.ports, 2)) == 2


def test_an_invoice_with_an_open_attempt_is_never_claimed(world: World) -> None:
    world.subscribe("drop-before-charge-1x")
    world.renew()
    world.collect()
    for _ in range(3):
        world.clock.advance(seconds=world.ports.timing.claim)
        assert not collect.due(world.ports, 10)


def test_a_look_is_claimed_once_and_again_when_it_was_not_taken(world: World) -> None:
    world.subscribe("drop-before-charge-1x")
    world.renew()
    world.collect()
    assert not reconcile.due(world.ports, 10)
    world.clock.advance(seconds=1)
    first = reconcile.due(world.ports, 10)
    assert len(first) == 1
    assert not reconcile.due(world.ports, 10)
    world.clock.advance(seconds=world.ports.timing.claim)
    assert reconcile.due(world.ports, 10) == first


def test_a_notification_is_claimed_once_and_again_when_it_was_not_applied(world: World) -> None:
    world.webhook("imp_1", "order1")
    first = apply.due(world.ports, 10)
    assert len(first) == 1
    assert not apply.due(world.ports, 10)
    world.clock.advance(seconds=world.ports.timing.claim)
    assert apply.due(world.ports, 10) == first


@pytest.mark.parametrize("plan", ["enable_hashjoin", "enable_mergejoin, enable_hashjoin", "enable_indexscan"])
def test_a_scan_keeps_its_limit_whatever_plan_the_database_chooses(world: World, plan: str) -> None:
    """A nested loop runs a subquery once a row: one that locks and limits would then choose others each time."""

    def without(connection: Connection) -> None:
        # A plan that was made once for all parameters, before these settings, would be used in spite of them.
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")
        for way in (*plan.split(", "), "enable_hashagg", "enable_material", "enable_sort"):
            connection.exec_driver_sql(f"SET LOCAL {way} = off")

    subscribe_many(world, 12)
    for name in range(12):
        receive.receive(
            world.ports, receive.PORTONE, f"hint {name}", {"status": "failed", "imp_uid": "", "merchant_uid": ""}
        )
    event.listen(world.engine, "begin", without)
    assert len(renew.due(world.ports, 4)) == 4
    assert len(apply.due(world.ports, 4)) == 4
    event.remove(world.engine, "begin", without)
    world.clock.advance(seconds=world.ports.timing.claim)
    world.renew()
    event.listen(world.engine, "begin", without)
    assert len(collect.due(world.ports, 4)) == 4
