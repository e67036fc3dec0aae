"""The wrong account: the gateway suddenly knows none of the keys. Charging stops before every key is given up."""

import pytest

from billing_worker.usecases.control.stop_charging import clear_stop, stops
from billing_worker.usecases.subscription import renew
from tests.support.world import World, renew_and_charge


def lose(world: World, count: int, plan) -> None:
    for _ in range(count):
        subscription = world.subscribe(plan=plan)
        (row,) = world.rows("SELECT customer_uid FROM billing_keys WHERE id = :id", id=subscription.billing_key_id)
        world.sandbox.control("/keys", customer_uid=row["customer_uid"], action="delete")


@pytest.mark.fm("F4")
@pytest.mark.fm("C12")
def test_six_unknown_keys_of_a_few_stop_all_charging(world: World) -> None:
    plan = world.plan()
    lose(world, 9, plan)
    for ident in renew.due(world.ports, 9):
        renew_and_charge(world.ports, ident)
    (stopped,) = stops(world.ports, 10)
    assert (stopped.stop.scope, stopped.stop.cause) == ("all", "breach")
    assert "right account" in stopped.stop.reason
    invalid = world.rows("SELECT count(*) AS n FROM billing_keys WHERE status = 'invalid'")[0]["n"]
    assert invalid == 6
    clear_stop(world.ports, stopped.stop.id, "they really are gone")
    world.clock.advance(seconds=world.ports.timing.claim)
    world.settle()
    assert stops(world.ports, 10) == []
    assert world.rows("SELECT count(*) AS n FROM billing_keys WHERE status = 'invalid'")[0]["n"] == 9


def test_a_few_lost_keys_among_many_stop_no_customer(world: World) -> None:
    plan = world.plan()
    for _ in range(40):
        world.subscribe(plan=plan)
    world.settle()
    lose(world, 8, plan)
    world.settle()
    assert stops(world.ports, 10) == []


def test_other_declines_stop_no_customer(world: World) -> None:
    plan = world.plan()
    for _ in range(8):
        world.subscribe("decline-stolen", plan=plan)
    world.settle()
    assert stops(world.ports, 10) == []
