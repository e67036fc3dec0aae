"""The ports of one process of the fleet: each call is a step that may fail."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Self

from billing_worker.domain.errors import Unavailable
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import (
    ChargeRequest,
)
from billing_worker.domain.refund import RefundRequest
from billing_worker.ports.outgoing import Address, OutboxMessage, Refusal
from billing_worker.simulation.fleet.chaos import Chaos
from billing_worker.simulation.fleet.ledger import Ledger
from billing_worker.simulation.fleet.scheduler import Crash, Scheduler
from billing_worker.simulation.memory.store import Committed, MemoryTransaction, Store

STALL = (1.0, 600.0)
"""Seconds that a process stalls: from less to much more than any lease."""

OUTAGE = (1.0, 20_000.0)

DEADLINE = timedelta(seconds=65)
"""When a client of the gateway stops waiting for an answer."""


class VirtualClock:
    """Both times are the scheduler's time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def moment(self) -> Moment:
        """The same for both."""
        return Moment(self._scheduler.now, self._scheduler.now)

    def wait_until(self, real: datetime) -> None:
        """Wait until this time."""
        self._scheduler.wait(max(timedelta(0), real - self._scheduler.now))


class World:
    """The state that all processes share: time, chance, the rows, the gateway, and the present outages."""

    def __init__(self, scheduler: Scheduler, chaos: Chaos, store: Store, ledger: Ledger) -> None:
        self.scheduler = scheduler
        self.chaos = chaos
        self.store = store
        self.ledger = ledger
        self.database_down_until = scheduler.now
        self.gateway_down_until = scheduler.now
        self.on_request: Callable[[ChargeRequest], None] = lambda _request: None
        self.on_refund: Callable[[RefundRequest], None] = lambda _request: None

    def stall(self) -> None:
        """Stall the task, as SIGSTOP or a full disk would."""
        self.scheduler.wait(self.chaos.between(*STALL))


class Transaction(MemoryTransaction):
    """A transaction whose begin and commit are steps."""

    __slots__ = ("_world",)

    def __init__(self, world: World, committed: Committed) -> None:
        super().__init__(world.store, committed)
        self._world = world

    def __enter__(self) -> Self:
        world = self._world
        if world.store.busy:
            raise AssertionError("a transaction was begun within another one")
        world.scheduler.wait(world.chaos.pause())
        match world.chaos.strikes("begin"):
            case "begin.crash":
                raise Crash
            case "begin.stall":
                world.stall()
            case "begin.unavailable":
                raise Unavailable("the connection was refused")
            case "begin.outage":
                world.database_down_until = world.scheduler.now + world.chaos.between(*OUTAGE)
        if world.scheduler.now < world.database_down_until:
            raise Unavailable("the database is away")
        world.store.busy = True
        return self

    def commit(self) -> None:
        """Keep all changes and report them, unless a fault strikes before, between or after."""
        world = self._world
        fault = world.chaos.strikes("commit")
        if fault == "commit.crash_before":
            raise Crash
        if fault == "commit.lost_before":
            raise Unavailable("the connection broke before the commit")
        super().commit()
        match fault:
            case "commit.crash_after":
                raise Crash
            case "commit.lost_after":
                raise Unavailable("the connection broke; the commit may or may not be durable")
            case "commit.stall":
                world.stall()
        world.scheduler.wait(world.chaos.pause())


class FaultyDatabase:
    """The database as one process sees it."""

    def __init__(self, world: World, committed: Committed) -> None:
        self._world = world
        self._committed = committed

    def transaction(self) -> Transaction:
        """Begin a transaction. Raises Unavailable."""
        return Transaction(self._world, self._committed)


class FaultyNotifier:
    """The merchant's receiver, which does not always answer."""

    def __init__(self, world: World) -> None:
        self._world = world

    address = Address("the receiver", "https://shop.example/events")

    def send(self, message: OutboxMessage, at: datetime) -> Refusal | None:  # noqa: ARG002 - taken or not, whatever it says
        """Deliver an event; None when the receiver took it."""
        self._world.scheduler.wait(self._world.chaos.pause())
        trouble = self._world.chaos.strikes("notify")
        return None if trouble is None else Refusal(trouble)
