"""Thousands of keys that are confirmed at once are charged within the limits of a scan, at the pace of late work."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from billing_worker.usecases.charge import collect
from tests.support.world import World

pytestmark = pytest.mark.long

KEYS = 5000
LIMIT = 40
UNLOCKED = 120
"""Tasks `billing.unlocked` that are served in the first second of the burst."""

COPY = """
    INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(t) || jsonb_build_object({changed}))).*
    FROM {table} t, generate_series(1, :count) n WHERE t.id = :ident
"""
NAMED = {
    "billing_keys": "'id', 'key_' || n, 'customer_uid', 'pw-' || n, 'issue_imp_uid', 'imp_' || n",
    "subscriptions": "'id', 'sub_' || n, 'billing_key_id', 'key_' || n",
    "invoices": (
        "'id', 'inv_' || n, 'subscription_id', 'sub_' || n, 'billing_key_id', 'key_' || n, 'merchant_uid', 'm' || n"
    ),
}


@pytest.fixture
def burst(world: World) -> World:
    """Keys that were confirmed just now, each with an invoice that waits since this moment."""
    uid, key, issued = world.paymentwall_key(amount=1)
    assert key is not None
    subscription = world.subscribe(key=key)
    world.settle()
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.apply()
    idents = {
        "billing_keys": key.id,
        "subscriptions": subscription.id,
        "invoices": world.invoice(subscription).id,
    }
    with world.engine.begin() as connection:
        for table, changed in NAMED.items():
            statement = text(COPY.format(table=table, changed=changed))
            connection.execute(statement, {"count": KEYS, "ident": idents[table]})
        connection.execute(text("UPDATE invoices SET lease_until = NULL"))
    return world


def leased(world: World) -> int:
    return int(world.rows("SELECT count(*) AS n FROM invoices WHERE lease_until > :now", now=world.clock.now())[0]["n"])


def unlock_many(world: World) -> int:
    """Two workers serve unlocks; returns how many invoices they were handed."""
    keys = [f"key_{number}" for number in range(1, UNLOCKED + 1)]
    with ThreadPoolExecutor(2) as pool:
        return sum(len(found) for found in pool.map(lambda key: collect.waiting(world.ports, key, LIMIT), keys))


def test_a_burst_is_handed_out_within_the_limit_of_a_scan(burst: World) -> None:
    handed = unlock_many(burst)
    # Two workers may each see the same last free place; no more than one a worker.
    assert LIMIT <= handed <= LIMIT + 1
    assert leased(burst) == handed
    assert collect.due(burst.ports, LIMIT) == [], "the scan beside them finds the queue full"
    burst.clock.advance(seconds=5)
    assert len(collect.due(burst.ports, LIMIT)) == LIMIT, "and hands out the next ones when it is not"


def test_what_waited_for_long_starts_at_the_pace_of_late_work(burst: World) -> None:
    burst.clock.advance(hours=2)
    paced = burst.with_ports(catch_up_rate=60)
    handed = 0
    for _ in range(5):
        handed += unlock_many(paced)
        burst.clock.advance(seconds=1)
    assert 0 < handed <= 10, "one a second, and a burst of five"
