"""Card data on their way: a fault at every step, and never a second payment.

A step is a commit or a call to the gateway, of the process that holds the card and of the worker that finds out what it
left. The sandbox's ledger and its keys are the judges.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.card_entry import Card
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.charge.card_payment import NewCardPayment, pay_by_card
from billing_worker.usecases.entry.issue import NewCard, issue_key
from tests.support.faults import EVERY, FAULTS, HOLDING, Fault, Saboteur, Script, survive
from tests.support.sessions import Operator
from tests.support.world import World

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]
"""Seconds: a test here lives through some dozens of stories."""

HOUR = timedelta(hours=1)
PG = "nice_v2"
Way = Callable[[Ports, str], object]


def a_card() -> Card:
    return Card.entered("5409600012345677", "2031-04", birth="880301", pwd_2digit="37", real_now=datetime.now(UTC))


def one_time(ports: Ports, name: str) -> object:
    return pay_by_card(ports, NewCardPayment(PG, a_card(), 9900, order_id=name))


def first_payment(ports: Ports, name: str) -> object:
    return pay_by_card(ports, NewCardPayment(PG, a_card(), 9900, order_id=name, customer_uid=name))


def issued(ports: Ports, name: str) -> object:
    return issue_key(ports, NewCard(name, PG, a_card()))


def kept_until_later(ports: Ports, name: str) -> object:
    at = ports.clock.moment().billing + timedelta(hours=2)
    return pay_by_card(ports, NewCardPayment(PG, a_card(), 9900, order_id=name, customer_uid=name, at=at))


@dataclass
class Stage:
    """One world, in which one story after the other is told."""

    world: World
    saboteur: Saboteur
    told: int = 0

    def tell(self, way: Way, faults: dict[int, Fault]) -> Script:
        """The way with these faults, then rounds of a worker that meets the rest of them, then calm; judged."""
        script = Script(faults)
        self.told += 1
        name = f"{self.world.environment}story{self.told}"
        broken = self.saboteur.wrap(self.world.ports, script)
        ill = self.world.with_ports(database=broken.database, gateway=broken.gateway)
        survive(lambda: way(broken, name))
        for _ in range(4):
            self.world.clock.advance(hours=1)
            survive(ill.tick)
        self.world.run_until(self.world.clock.now() + timedelta(days=1), 6 * HOUR)
        assert not self.world.sandbox.rules(), script.story
        problem = self._wrong(name)
        assert problem is None, f"{problem}\n{script.story}"
        return script

    def _wrong(self, name: str) -> str | None:
        paid = [row for row in self.world.ledger() if row["merchant_uid"] == name and row["status"] == "paid"]
        if len(paid) > 1:
            return f"{len(paid)} payments"
        stored = self.world.ports.gateway.read_key(name).known
        invoices = self.world.rows("SELECT status FROM invoices WHERE merchant_uid = :name", name=name)
        for row in invoices:
            if (row["status"] == "paid") != bool(paid) or row["status"] == "open":
                return f"the payment is {row['status']}, the ledger has {len(paid)}"
        for row in self.world.rows("SELECT status FROM billing_keys WHERE customer_uid = :name", name=name):
            if row["status"] == KeyStatus.PENDING or (row["status"] == KeyStatus.ACTIVE) > bool(stored):
                return f"the key is {row['status']}, and PortOne's word is {stored}"
            if invoices and (row["status"] == KeyStatus.ACTIVE) != bool(paid):
                return f"the key is {row['status']}, the ledger has {len(paid)}"
        return None

    def faults_of(self, script: Script) -> Iterator[tuple[int, Fault]]:
        """Each step of a story, with each fault that it can have and that needs no second process."""
        for number, (kind, _) in enumerate(script.steps, 1):
            yield from ((number, fault) for fault in FAULTS[kind] if fault not in HOLDING)


@pytest.fixture
def stage(world: World) -> Iterator[Stage]:
    world.subscribe()
    world.settle()
    with closing(Operator.of(world.database_url)) as operator:
        yield Stage(world.with_ports(card_entry=True), Saboteur(world.sandbox, operator))


@pytest.mark.parametrize("way", [one_time, first_payment, issued, kept_until_later])
def test_a_fault_at_any_step_takes_no_second_payment_and_leaves_no_key_in_doubt(stage: Stage, way: Way) -> None:
    clean = stage.tell(way, {})
    singles = list(stage.faults_of(clean))
    for number, fault in singles[::EVERY]:
        script = stage.tell(way, {number: fault})
        assert script.fired == {number: fault}, script.story
    assert len(singles) > 15
    stage.world.assert_books_agree()
