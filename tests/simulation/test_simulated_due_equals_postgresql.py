"""When an invoice is due is written twice, in SQL and in memory: whatever stands against it, both claim the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.declines.reasons import DeclineKind
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus, Period
from billing_worker.domain.stop import StopCause
from billing_worker.ports.control import DueBetween
from billing_worker.simulation.judge.edges import EDGES
from billing_worker.simulation.memory.numbered import Numbered
from billing_worker.simulation.memory.store import MemoryTransaction, Store
from tests.builders import NOW, a_key, a_plan, a_policy, a_subscription, an_attempt, an_invoice

MANY = 80
CHANGES = 80
USUAL = 0.7
"""Of each thing about an invoice, how often it does not stand against a charge."""

MOMENTS = tuple(timedelta(minutes=minutes) for minutes in (-90, -60, -30, 0, 1, 3, 5, 45))
"""About the first question. A question may come exactly at one of them, and a lease may end there."""
PGS = ("nice_v2", "naverpay")


@dataclass
class Draw:
    """A state of many invoices, and how it changes: decided by a seed alone, and told to one database."""

    seed: int
    uow: Any

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def build(self) -> None:
        self.uow.dunning_policies.add(a_policy())
        self.uow.plans.add(a_plan())
        for number in range(MANY):
            self._one(f"{number:03d}")

    def change(self) -> None:
        """One of the things on which it depends becomes another one, or the same again."""
        name = f"{self.random.randrange(MANY):03d}"
        self.random.choice((self._key, self._subscription, self._invoice, self._attempt, self._stop, self._clear))(name)

    def _one(self, name: str) -> None:
        status = self.random.choice((KeyStatus.ACTIVE, KeyStatus.ACTIVE, KeyStatus.PENDING))
        pg = self.random.choice(PGS)
        self.uow.keys.add(a_key(id=f"key_{name}", customer_uid=f"card-{name}", pg_provider=pg, status=status))
        self.uow.subscriptions.add(
            a_subscription(id=f"sub_{name}", billing_key_id=f"key_{name}", customer=f"user-{name}")
        )
        invoice = an_invoice(
            id=f"inv_{name}",
            subscription_id=f"sub_{name}",
            billing_key_id=f"key_{name}",
            merchant_uid=f"order{name}",
            period=Period(0, NOW - timedelta(days=1), NOW + timedelta(days=27)),
            next_attempt_at=self._due(name),
        )
        self.uow.invoices.add(invoice)
        for act in (self._key, self._subscription, self._attempt, self._invoice):
            while self.random.random() > USUAL:
                act(name)

    def _due(self, name: str) -> datetime:
        """Never two at one moment, since PostgreSQL does not say which of these is claimed first; some exactly now."""
        return NOW + self.random.choice(MOMENTS) + timedelta(microseconds=int(name))

    def _moves(self, kind: str, row: Any) -> None:
        """Its status becomes one that the edges allow, or stays. Nothing is paid: that needs a payment."""
        allowed = EDGES.get((kind, row.status), set()) - {"paid", "approved"}
        row.status = type(row.status)(self.random.choice((row.status.value, *sorted(allowed))))

    def _key(self, name: str) -> None:
        key = self.uow.keys.lock(f"key_{name}")
        self._moves("billing key", key)
        self.uow.keys.save(key)

    def _subscription(self, name: str) -> None:
        subscription = self.uow.subscriptions.lock(f"sub_{name}")
        self._moves("subscription", subscription)
        subscription.canceled_at = NOW if subscription.status == "canceled" else None
        self.uow.subscriptions.save(subscription)

    def _invoice(self, name: str) -> None:
        invoice = self.uow.invoices.lock(f"inv_{name}")
        if self.random.random() > USUAL:
            self._moves("invoice", invoice)
        opened = invoice.status is InvoiceStatus.OPEN
        invoice.closed_at = None if opened else NOW
        invoice.next_attempt_at = self._due(name) if opened and self.random.random() < USUAL else None
        invoice.failures = self.random.randrange(2)
        invoice.lease_until = self.random.choice((None, *(NOW + each for each in MOMENTS)))
        self.uow.invoices.save(invoice)

    def _attempt(self, name: str) -> None:
        own = self.uow.attempts.of_invoice(f"inv_{name}")
        if not own or not own[-1].is_open:
            of = {"id": f"att_{name}_{len(own)}", "invoice_id": f"inv_{name}", "billing_key_id": f"key_{name}"}
            of |= {"merchant_uid": f"order{name}", "number": len(own) + 1}
            self.uow.attempts.add(an_attempt(**of, next_look_at=NOW))
            return
        attempt = own[-1]
        self._moves("attempt", attempt)
        if not attempt.is_open:
            attempt.closed_at, attempt.next_look_at, attempt.reason = NOW, None, "limit"
        if attempt.status is AttemptStatus.DECLINED:
            attempt.decline_kind = DeclineKind.SOFT
        self.uow.attempts.save(attempt)

    def _stop(self, name: str) -> None:
        scope = self.random.choice(("all", "pg:nice_v2", f"subscription:sub_{name}", f"subscription:sub_{name}"))
        self.uow.stops.open(scope, self.random.choice((StopCause.PERSON, StopCause.BREACH)), "it looks wrong", [], NOW)

    def _clear(self, _name: str) -> None:
        for stop in self.uow.stops.list_open():
            stop.clear("it was nothing", NOW)
            self.uow.stops.save(stop)


def question(uow: Any, random: Random, step: int) -> tuple[DueBetween, datetime, int, str | None]:
    """What to claim, when, how many at most, and on which key; often up to the very moment of one of the invoices.

    In the simulation both times are one, and never run back.
    """
    now = NOW + timedelta(minutes=step // 8, microseconds=MANY * (step % 8 == 7))
    some = uow.invoices.lock(f"inv_{random.randrange(MANY):03d}").next_attempt_at
    until = random.choice((now, now, now - timedelta(minutes=30), min(now, some or now)))
    after = random.choice((NOW - timedelta(days=900), NOW - timedelta(days=900), NOW - timedelta(minutes=60)))
    key_id = random.choice((None, None, None, None, f"key_{random.randrange(MANY):03d}"))
    limit = random.choice((2 * MANY, random.randrange(1, MANY // 2)))
    return DueBetween(after, until, random.choice((None, None, True, False))), now, limit, key_id


def claimed(uow: Any, due: DueBetween, now: datetime, limit: int, key_id: str | None) -> list[tuple[str, int]]:
    """The ids with their new fences. They are let go at once, so that the next question finds something, too."""
    found = []
    for ident in sorted(uow.invoices.claim_due(due, now, now + timedelta(minutes=5), limit, key_id=key_id)):
        invoice = uow.invoices.lock(ident)
        assert invoice.lease_until == now + timedelta(minutes=5)
        found.append((ident, invoice.fence))
        invoice.lease_until = None
        uow.invoices.save(invoice)
    return found


def story(seed: int, uow: Any) -> list[list[tuple[str, int]]]:
    """What is claimed after each change of one seed's state."""
    draw, asked = Draw(seed, uow), Random(seed)
    draw.build()
    answers = []
    for step in range(CHANGES):
        draw.change()
        answers.append(claimed(uow, *question(uow, asked, step)))
    return answers


@contextmanager
def in_postgresql(database_url: str) -> Iterator[Any]:
    engine = open_engine(database_url, pool_size=2, application="test")
    try:
        with SqlDatabase(engine, Numbered()).transaction() as uow:
            yield uow
    finally:
        engine.dispose()


@pytest.mark.parametrize("seed", range(3))
def test_both_claim_the_same_invoices_whatever_stands_against_them(seed: int, database_url: str) -> None:
    with in_postgresql(database_url) as uow:
        expected = story(seed, uow)
    answers = story(seed, MemoryTransaction(Store(Numbered()), lambda _changes: None))
    for step, (theirs, ours) in enumerate(zip(expected, answers, strict=True)):
        assert ours == theirs, step
    assert len({ident for each in expected for ident, _ in each}) > MANY / 4
    assert any(not each for each in expected)
