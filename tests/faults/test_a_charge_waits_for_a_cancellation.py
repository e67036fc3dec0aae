"""Whether a charge is still wanted is asked under the subscription's lock, never beside it."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text

from billing_worker.usecases import collect, renew
from tests.support.world import World

WAIT_SECONDS = 10.0


def until_it_waits_or_ends(world: World, work: Future) -> None:
    """Until a session of this database waits for a lock, or the work is over."""
    deadline = time.monotonic() + WAIT_SECONDS
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not work.done() and not world.rows(waiting):
        assert time.monotonic() < deadline, "it neither waits nor ends"
        threading.Event().wait(0.01)


def canceled_in(connection: Connection, subscription_id: str) -> None:
    """What `cancel` writes, in a transaction that is still open."""
    subscription = "UPDATE subscriptions SET status = 'canceled', canceled_at = now() WHERE id = :id"
    invoices = """
        UPDATE invoices SET status = 'void', closed_at = now(), next_attempt_at = NULL
        WHERE subscription_id = :id AND status = 'open'"""
    for statement in (subscription, invoices):
        connection.execute(text(statement), {"id": subscription_id})


@pytest.mark.fm("G7")
@pytest.mark.fm("L1")
def test_a_charge_that_meets_a_cancellation_under_way_waits_and_then_leaves_it(world: World) -> None:
    subscription = world.subscribe()
    world.renew()
    (ident,) = collect.due(world.ports, 10)
    with ThreadPoolExecutor(1) as pool, world.engine.connect() as connection:
        canceled_in(connection, subscription.id)
        work = pool.submit(collect.collect, world.ports, ident)
        until_it_waits_or_ends(world, work)
        connection.commit()
        assert work.result(WAIT_SECONDS) is None
    assert world.ledger() == []
    assert world.invoice(subscription).status == "void"


@pytest.mark.fm("G7")
@pytest.mark.fm("L1")
def test_a_renewal_that_meets_a_cancellation_under_way_waits_and_opens_nothing(world: World) -> None:
    subscription = world.subscribe()
    with ThreadPoolExecutor(1) as pool, world.engine.connect() as connection:
        canceled_in(connection, subscription.id)
        work = pool.submit(renew.renew, world.ports, subscription.id)
        until_it_waits_or_ends(world, work)
        connection.commit()
        assert work.result(WAIT_SECONDS) is None
    assert world.invoices(subscription) == []
    assert world.subscription(subscription).status == "canceled"
