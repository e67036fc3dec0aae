"""Trips: what one call of a use case enters, traced on a real database and the sandbox.

A trip counts our own files only. Code of the standard library, of other libraries and of the tests is passed over.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from sqlalchemy import Engine, event
from structlog.testing import capture_logs

from billing_worker.domain.payment import Approved
from billing_worker.usecases.charge import collect
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.subscription import renew
from tests.support.databases import Databases
from tests.support.gateways import Around, loses_the_reply
from tests.support.sandbox import running_sandbox
from tests.support.servers import Servers
from tests.support.world import LIMIT, InTurn, World, open_period

ROOT = Path(__file__).resolve().parents[2]
OURS = (f"{ROOT}/billing_worker/", f"{ROOT}/tasks/")
ROUNDS = 2
"""The first round fills caches: SQLAlchemy compiles each statement, and the gateway's client fetches a token."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Trip:
    """What one call enters."""

    files: int
    moves: int
    """Changes of file, from one call or return to the next."""
    functions: int
    """Functions of one name in one file count once."""
    calls: int
    statements: int
    """SQL statements, without BEGIN and COMMIT."""
    transactions: int


@dataclass
class _Trace:
    """Calls and returns of our own functions, and what the database is asked."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    statements: int = 0
    transactions: int = 0

    def note(self, frame: FrameType, what: str, _: object) -> None:
        """Note a call or a return; `sys.setprofile` calls this."""
        path = frame.f_code.co_filename
        if what in ("call", "return") and path.startswith(OURS):
            self.steps.append(path)
            if what == "call":
                self.calls.append((path, frame.f_code.co_name))

    def note_statement(self, *_: object) -> None:
        """Note a statement; SQLAlchemy calls this."""
        self.statements += 1

    def note_transaction(self, *_: object) -> None:
        """Note the begin of a transaction; SQLAlchemy calls this."""
        self.transactions += 1

    def trip(self) -> Trip:
        """The figures."""
        return Trip(
            files=len({path for path, _ in self.calls}),
            moves=sum(here != there for here, there in zip(self.steps, self.steps[1:], strict=False)),
            functions=len(set(self.calls)),
            calls=len(self.calls),
            statements=self.statements,
            transactions=self.transactions,
        )


def traced(engine: Engine, act: Callable[[], Result]) -> tuple[Trip, Result]:
    """Call `act` in this thread; returns its trip, and its result."""
    trace = _Trace()
    listeners: tuple[tuple[str, Callable[..., Any]], ...] = (
        ("before_cursor_execute", trace.note_statement),
        ("begin", trace.note_transaction),
    )
    for name, listener in listeners:
        event.listen(engine, name, listener)
    gc.disable()  # what an earlier test left behind must not end in the middle of this trace
    before = sys.getprofile()
    # How logs are written depends on what ran before in this process.
    with capture_logs():
        sys.setprofile(trace.note)
        try:
            result = act()
        finally:
            sys.setprofile(before)
            gc.enable()
            for name, listener in listeners:
                event.remove(engine, name, listener)
    return trace.trip(), result


def trips(world: World) -> dict[str, Trip]:
    """Every trip that is measured, by its name, with warm caches."""
    found: dict[str, Trip] = {}
    for _ in range(ROUNDS):
        found = _renewal(world) | _issuing_payment(world) | _webhook(world)
    return found


def _renewal(world: World) -> dict[str, Trip]:
    """The second period of a subscription opens, and its charge is approved: in one breath, and in two."""
    subscription, other = world.subscribe(), world.subscribe()
    world.settle()
    world.clock.advance(days=31)
    assert {subscription.id, other.id} <= set(renew.due(world.ports, LIMIT))
    calls = InTurn(world.ports.gateway)
    whole, _ = traced(world.engine, lambda: collect.renew(replace(world.ports, calls=calls), [subscription.id]))
    assert isinstance(calls.outcomes[-1], Approved)
    invoice_id = open_period(world.ports, other.id)
    with world.ports.database.transaction() as uow:
        invoice = uow.invoices.get(str(invoice_id))
    charged, outcome = traced(world.engine, lambda: world.charge(invoice))
    assert isinstance(outcome, Approved)
    world.settle()
    return {"renewal, approved": whole, "collect, approved": charged}


def _issuing_payment(world: World) -> dict[str, Trip]:
    """The payment that issued a Paymentwall key pays the first period."""
    customer_uid, key, issued = world.paymentwall_key()
    world.sandbox.control("/paymentwall/confirm", customer_uid=customer_uid)
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.settle()
    subscription = world.subscribe(key=key, start=world.clock.now() + timedelta(days=3))
    world.clock.advance(days=3)
    world.renew()
    invoice = world.invoice(subscription)
    charged, _ = traced(world.engine, lambda: world.charge(invoice))
    assert world.attempt(invoice).imp_uid == issued["imp_uid"]
    world.settle()
    return {"collect, issuing payment": charged}


def _webhook(world: World) -> dict[str, Trip]:
    """A webhook brings the answer of a charge whose reply was lost."""
    subscription = world.subscribe()
    world.with_ports(gateway=Around(world.ports.gateway, loses_the_reply)).settle()
    (row,) = world.ledger(world.invoice(subscription))
    received, message_id = traced(world.engine, lambda: world.webhook(row["imp_uid"], row["merchant_uid"]))
    applied, _ = traced(world.engine, lambda: apply.apply(world.ports, message_id))
    assert world.invoice(subscription).status == "paid"
    world.settle()
    return {"webhook, received": received, "webhook, applied": applied}


@contextmanager
def world_of_its_own() -> Iterator[World]:
    """A world on servers of its own, for a program that is no test."""
    with (
        Servers() as servers,
        Databases(servers.database_url()) as databases,
        databases.migrated() as database_url,
        running_sandbox() as sandbox,
        capture_logs(),
        World.built(database_url, sandbox) as world,
    ):
        yield world
