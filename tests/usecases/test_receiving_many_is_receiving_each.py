"""Notifications stored together leave the same rows, and the same receipts, as if one came after the other."""

import itertools
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.incoming import receive
from billing_worker.usecases.incoming.receive import PAYMENTWALL_PINGBACK, PORTONE, Notification
from tests.support.deliveries import Crash
from tests.support.gateways import Around
from tests.support.world import World

SEEDS = 25
COLUMNS = "source, dedupe_key, payload, status, received_at, next_try_at, tries, deliveries, note"
Charged = tuple[str, str]


def charged(world: World) -> Charged:
    """A payment that is recorded as approved."""
    invoice = world.invoice(settled(world))
    (row,) = world.ledger(invoice)
    return row["imp_uid"], row["merchant_uid"]


def in_flight(world: World) -> Charged:
    """A payment whose worker has not heard of it yet."""

    def dies(gateway: Gateway, request: ChargeRequest) -> Outcome:
        gateway.charge(request)
        raise Crash

    subscription = world.subscribe()
    with pytest.raises(Crash):
        world.with_ports(gateway=Around(world.ports.gateway, dies)).settle()
    (row,) = world.ledger(world.invoice(subscription))
    return row["imp_uid"], row["merchant_uid"]


def settled(world: World) -> Any:
    subscription = world.subscribe()
    world.settle()
    return subscription


def hint(imp_uid: str, merchant_uid: str, status: str) -> Notification:
    payload = {"imp_uid": imp_uid, "merchant_uid": merchant_uid, "status": status}
    return Notification(PORTONE, f"{imp_uid}|{status}||{merchant_uid}", payload)


@pytest.mark.fm("E4")
def test_stored_together_or_one_by_one_the_rows_and_receipts_are_the_same(world: World) -> None:
    ours, under_way = charged(world), in_flight(world)
    known = [ours, under_way, (under_way[0], ours[1]), (ours[0], under_way[1]), ("imp_1", ours[1]), (ours[0], "m-1")]
    for seed in range(SEEDS):
        random = Random(seed)
        kinds = [hint(*payment, status) for payment in [*known, ("imp_2", "m-2")] for status in ("paid", "failed")]
        kinds += [
            Notification(PAYMENTWALL_PINGBACK, f"b{n}|0", {"uid": "u", "type": "0", "ref": f"b{n}"}) for n in "12"
        ]
        told = [random.choice(kinds) for _ in range(random.randrange(1, 30))]
        left = []
        for cuts in (list(range(len(told) + 1)), sorted({0, random.randrange(len(told)), len(told)})):
            before(world, random_state=Random(seed), kinds=kinds)
            receipts: list[receive.Receipt] = []
            for start, end in itertools.pairwise(cuts):
                receipts += receive.receive_many(world.ports, told[start:end])
            names = {row["id"]: row["dedupe_key"] for row in world.rows("SELECT id, dedupe_key FROM inbox")}
            said = [(names[receipt.id], receipt.at_once) for receipt in receipts]
            left.append((said, world.rows(f"SELECT {COLUMNS} FROM inbox ORDER BY source, dedupe_key")))  # noqa: S608
        assert [name for name, _ in left[0][0]] == [each.dedupe_key for each in told]
        assert left[0] == left[1], f"seed {seed}"


def before(world: World, *, random_state: Random, kinds: list[Notification]) -> None:
    """An inbox in which some of them are known, in each state and with each kind of date."""
    moments = [world.clock.real_now() + timedelta(seconds=seconds) for seconds in (-3600, 2, 3600)]
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM inbox"))
    known = random_state.sample(kinds, 5)
    receive.receive_many(world.ports, known)
    with world.engine.begin() as connection:
        for each in known:
            connection.execute(
                text(
                    "UPDATE inbox SET status = :status, tries = 3, next_try_at = :next_try_at WHERE dedupe_key = :key"
                ),
                {
                    "status": random_state.choice(("received", "applied", "ignored")),
                    "next_try_at": random_state.choice(moments),
                    "key": each.dedupe_key,
                },
            )


def test_nothing_to_store_is_stored_without_a_word(world: World) -> None:
    assert list(receive.receive_many(world.ports, [])) == []
