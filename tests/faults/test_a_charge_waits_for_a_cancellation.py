"""Whether a charge is still wanted is asked under the subscription's lock, never beside it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text

from billing_worker.usecases.charge import collect
from tests.support.locks import WAIT_SECONDS, until_it_waits_or_ends
from tests.support.world import World


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
        work = pool.submit(collect.collect, world.ports, [ident])
        until_it_waits_or_ends(world, work)
        connection.commit()
        assert work.result(WAIT_SECONDS) == 0
    assert world.ledger() == []
    assert world.invoice(subscription).status == "void"


@pytest.mark.fm("G7")
@pytest.mark.fm("L1")
def test_a_renewal_that_meets_a_cancellation_under_way_waits_and_opens_nothing(world: World) -> None:
    subscription = world.subscribe()
    with ThreadPoolExecutor(1) as pool, world.engine.connect() as connection:
        canceled_in(connection, subscription.id)
        work = pool.submit(collect.renew, world.ports, [subscription.id])
        until_it_waits_or_ends(world, work)
        connection.commit()
        assert work.result(WAIT_SECONDS) == 0
    assert world.invoices(subscription) == []
    assert world.subscription(subscription).status == "canceled"
