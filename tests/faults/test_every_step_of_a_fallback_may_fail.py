"""From the decline of the main card to the payment on the next one: a fault at every step, and one payment.

A step is a commit or a call to the gateway. The sandbox's ledger is the judge.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import pytest

from tests.support.faults import EVERY, FAULTS, HOLDING, Fault, Saboteur, Script, survive
from tests.support.sessions import Operator
from tests.support.world import World
from tests.usecases.test_fallback_keys import backed, charged_on

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
"""Seconds: a test here lives through some dozens of stories."""


@dataclass
class Stage:
    """One world, in which one story after the other is told."""

    world: World
    saboteur: Saboteur

    def tell(self, cards: tuple[str, ...], faults: dict[int, Fault]) -> Script:
        """A subscription with these cards and faults, then calm; judged."""
        world, script = self.world, Script(faults)
        subscription, keys = backed(world, *cards, days=(1,))
        broken = self.saboteur.wrap(world.ports, script)
        ill = world.with_ports(database=broken.database, gateway=broken.gateway)
        for _ in range(4):
            survive(ill.tick)
            world.clock.advance(seconds=1)
        world.resolve(minutes=2)
        world.run_until(world.clock.now() + timedelta(days=2))
        assert not world.sandbox.rules(), script.story
        invoice = world.invoice(subscription)
        declined = [row["customer_uid"] for row in world.ledger(invoice) if row["status"] == "failed"]
        assert (invoice.status, len(world.money(invoice))) == ("paid", 1), script.story
        assert len(declined) == len(set(declined)), script.story  # no dead card is tried again
        # The gateway's error after a charge takes the money from a card that it would have declined.
        (paid,) = [key for key in keys if world.money(key)]
        assert paid is keys[-1] or Fault.ERROR_AFTER in script.fired.values(), script.story
        assert charged_on(world, subscription)[-1] == world.subscription(subscription).billing_key_id, script.story
        assert set(charged_on(world, subscription)) == {key.id for key in keys[: keys.index(paid) + 1]}, script.story
        world.cancel(subscription)
        world.settle()
        return script


@pytest.fixture
def stage(world: World) -> Iterator[Stage]:
    world.subscribe()
    world.settle()
    with closing(Operator.of(world.database_url)) as operator:
        yield Stage(world, Saboteur(world.sandbox, operator))


@pytest.mark.parametrize("cards", [("decline-stolen", "ok")])
def test_a_process_that_dies_after_any_step_leaves_one_payment_on_the_next_card(
    stage: Stage, cards: tuple[str, ...]
) -> None:
    clean = stage.tell(cards, {})
    steps = [number for number, (kind, _) in enumerate(clean.steps, 1) if Fault.CRASH_AFTER in FAULTS[kind]]
    for number in steps[:12]:
        stage.tell(cards, {number: Fault.CRASH_AFTER})
    assert len(steps) > 5
    stage.world.assert_books_agree()


@pytest.mark.parametrize("cards", [("decline-stolen", "ok"), ("decline-stolen", "decline-expired", "ok")])
def test_a_fault_at_any_step_leaves_one_payment_on_the_next_card(stage: Stage, cards: tuple[str, ...]) -> None:
    clean = stage.tell(cards, {})
    singles = [
        (number, fault)
        for number, (kind, _) in enumerate(clean.steps, 1)
        for fault in FAULTS[kind]
        if fault not in HOLDING
    ]
    for number, fault in singles[::EVERY]:
        stage.tell(cards, {number: fault})
    assert len(singles) > 15
    stage.world.assert_books_agree()
