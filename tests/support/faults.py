"""Faults at exact steps: the handing out of what a scan claimed, every commit, every call to the gateway.

A `Script` counts the steps of one customer and says at which of them what goes wrong. The ports that it wraps behave
as before everywhere else. The database really loses its session and the gateway really answers with its own errors;
only what would cost seconds of waiting (a timeout, a call that outlives its lease) is made by the wrapper.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from billing_worker.domain.card_entry import Card, IssueAnswer, IssueRequest
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.payment import ChargeRequest, Outcome, Unknown
from billing_worker.domain.refund import RefundAnswer, RefundRequest
from billing_worker.domain.schedule import (
    RegisterAnswer,
    RevokeAnswer,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
)
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import Gateway, KeyReading, Listing, Sheet
from billing_worker.ports.storage import Database
from tests.support.deliveries import Crash, hold
from tests.support.gateways import untroubled
from tests.support.sandbox import Sandbox
from tests.support.sessions import Operator, commit_and_lose_the_reply

EVERY = int(os.environ.get("STEPS", "1"))
"""Tests that break one step after the other break each so many-th: `make long` a third, `make nightly` all."""


def dies_at(work: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """This step of a process that dies right before it, or right after it."""

    def died(*arguments: Any, **named: Any) -> Any:
        if after:
            work(*arguments, **named)
        raise Crash

    return died


class Step(StrEnum):
    """What kind of step it is."""

    HAND_OUT = "hand out"
    COMMIT = "commit"
    CHARGE = "charge"
    READ = "read"
    CANCEL = "cancel"
    """Money is given back: in no period that was paid once."""


class Fault(StrEnum):
    """How a step goes wrong."""

    LOST = "lost"
    """Beat dies after its claim, before a message is sent."""
    TWICE = "twice"
    """The message is delivered two times, one right after the other."""
    AGAIN = "again"
    """The message is delivered once more, a round of beat later."""

    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"
    """The step has its effect, and its process dies before the answer."""
    DISCONNECT = "disconnect"
    """The server ends the session before the commit: nothing is kept."""
    LOST_REPLY = "lost_reply"
    """The commit is kept, and the connection breaks before the driver hears of it."""

    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    """It has its effect at the gateway, and the answer does not come in time."""
    ERROR_BEFORE = "error_before"
    """The gateway's own 5xx; nothing was done."""
    ERROR_AFTER = "error_after"
    """The gateway's own 5xx; it was done all the same."""
    UNAUTHORIZED = "unauthorized"
    """The gateway's own 401, and again with a fresh token."""
    TOKEN_ENDED = "token_ended"
    """One 401: with a fresh token it works."""
    HELD_BEFORE = "held_before"
    """The process stops just before the call, and goes on after its lease ended and the resolver took over."""
    HELD_AFTER = "held_after"
    """The answer is there, and the process goes on with it after its lease ended and the resolver took over."""
    STALE = "stale"
    """What a read found is acted on two rounds later, when its claim has ended and others may have been there."""


F = Fault
FAULTS: dict[Step, tuple[Fault, ...]] = {
    Step.HAND_OUT: (F.LOST, F.TWICE, F.AGAIN),
    Step.COMMIT: (F.CRASH_BEFORE, F.CRASH_AFTER, F.DISCONNECT, F.LOST_REPLY),
    Step.CHARGE: (
        F.CRASH_BEFORE, F.CRASH_AFTER, F.TIMEOUT_BEFORE, F.TIMEOUT_AFTER, F.ERROR_BEFORE, F.ERROR_AFTER,
        F.UNAUTHORIZED, F.TOKEN_ENDED, F.HELD_BEFORE, F.HELD_AFTER,
    ),
    Step.CANCEL: (
        F.CRASH_BEFORE, F.CRASH_AFTER, F.TIMEOUT_BEFORE, F.TIMEOUT_AFTER, F.ERROR_BEFORE, F.UNAUTHORIZED, F.TOKEN_ENDED,
    ),
    # A read changes nothing at the gateway: before and after its effect are the same.
    Step.READ: (F.CRASH_AFTER, F.TIMEOUT_AFTER, F.ERROR_AFTER, F.UNAUTHORIZED, F.TOKEN_ENDED, F.STALE),
}  # fmt: skip
"""Every way in which each kind of step can go wrong."""

BEHAVIOURS = {
    F.ERROR_BEFORE: ("error502-html", 1),
    F.ERROR_AFTER: ("error500-charged", 1),
    F.UNAUTHORIZED: ("error401", 2),
    F.TOKEN_ENDED: ("error401", 1),
}
"""Faults that the sandbox makes itself: its behaviour, and for how many calls."""

HOLDING = frozenset({F.HELD_BEFORE, F.HELD_AFTER, F.STALE})
ROUNDS_OF_A_STALE_READ = 2
ROUNDS_OF_A_HELD_SCHEDULE = 8
"""Past the end of its lease: another worker may have read the schedule, and sent it again."""
STORM_EVERY, STORM_ENDS = 7, 60


@dataclass
class Script:
    """Which steps of one customer go wrong, by number from 1; and what happened, for the reader of a failure."""

    faults: dict[int, Fault] = field(default_factory=dict)
    steps: list[tuple[Step, str]] = field(default_factory=list)
    fired: dict[int, Fault] = field(default_factory=dict)
    """Faults that were really met, at a step that can have them."""

    def step(self, kind: Step, name: str = "") -> Fault | None:
        """Count a step; the fault it shall meet."""
        self.steps.append((kind, name))
        fault = self.wanted(len(self.steps), kind)
        if fault not in FAULTS[kind]:
            return None
        self.fired[len(self.steps)] = fault
        return fault

    def wanted(self, number: int, kind: Step) -> Fault | None:  # noqa: ARG002 - others decide by the kind
        """What shall go wrong at this step."""
        return self.faults.get(number)

    @property
    def may_hold(self) -> bool:
        """Whether a delivery can be held up in it."""
        return not HOLDING.isdisjoint(self.faults.values())

    @property
    def story(self) -> str:
        """The steps by number, with what went wrong at them."""
        lines = [f"{number:3} {' '.join(step).strip()}" for number, step in enumerate(self.steps, 1)]
        return "\n".join(f"{line}  <- {self.fired[n]}" if n in self.fired else line for n, line in enumerate(lines, 1))


@dataclass
class Storm(Script):
    """Every seventh step goes wrong, each time in another way, until it has passed."""

    start: int = 1
    may_hold = True

    def wanted(self, number: int, kind: Step) -> Fault | None:
        if number < self.start or number > STORM_ENDS or (number - self.start) % STORM_EVERY:
            return None
        faults = FAULTS[kind]
        return faults[(self.start + number // STORM_EVERY) % len(faults)]


@dataclass(frozen=True)
class Saboteur:
    """What faults are made with, and the ports as a script's customer has them."""

    sandbox: Sandbox
    operator: Operator

    def wrap(self, ports: Ports, script: Script) -> Ports:
        """Ports whose steps this script counts."""
        database = FaultyDatabase(ports.database, script, self.operator)
        return replace(ports, database=database, gateway=FaultyGateway(ports.gateway, script, self.sandbox))


@dataclass
class FaultyDatabase:
    """Counts commits."""

    inner: Database
    script: Script
    operator: Operator

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self.inner.transaction() as uow:
            yield _Transaction(uow, self.script, self.operator)


class _Transaction:
    def __init__(self, uow: Any, script: Script, operator: Operator) -> None:
        self._uow = uow
        self._script = script
        self._operator = operator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._uow, name)

    def commit(self) -> None:
        match self._script.step(Step.COMMIT):
            case Fault.CRASH_BEFORE:
                raise Crash
            case Fault.CRASH_AFTER:
                self._uow.commit()
                raise Crash
            case Fault.DISCONNECT:
                self._operator.end(self._session)
            case Fault.LOST_REPLY:
                commit_and_lose_the_reply(self._session)
        self._uow.commit()

    @property
    def _session(self) -> Any:
        return self._uow._connection.connection.dbapi_connection


@dataclass
class FaultyGateway:
    """Counts calls."""

    inner: Gateway
    script: Script
    sandbox: Sandbox

    def charge(self, request: ChargeRequest) -> Outcome:
        order = request.merchant_uid
        return untroubled(self._call("again", order, lambda: self.inner.charge(request), merchant_uid=order))

    def charge_card(self, request: ChargeRequest, card: Card) -> Outcome:
        order = request.merchant_uid
        return untroubled(self._call("onetime", order, lambda: self.inner.charge_card(request, card)))

    def issue_key(self, request: IssueRequest) -> IssueAnswer:
        return self._call("issue", request.customer_uid, lambda: self.inner.issue_key(request))

    def _call(self, endpoint: str, until: str | int, call: Callable[[], Any], **matching: str) -> Any:
        """A call that is never repeated blindly: of a charge, or of card data."""
        fault = self.script.step(Step.CHARGE)
        match fault:
            case Fault.CRASH_BEFORE:
                raise Crash
            case Fault.TIMEOUT_BEFORE:
                return Unknown("no answer: ReadTimeout, and nothing was placed")
            case Fault.HELD_BEFORE:
                hold(until)
        if fault in BEHAVIOURS:
            self._plant(fault, endpoint, **matching)
        outcome = call()
        match fault:
            case Fault.CRASH_AFTER:
                raise Crash
            case Fault.TIMEOUT_AFTER:
                return Unknown("no answer: ReadTimeout, and it was placed")
            case Fault.HELD_AFTER:
                hold(until)
        return outcome

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        fault = self.script.step(Step.CANCEL)
        match fault:
            case Fault.CRASH_BEFORE:
                raise Crash
            case Fault.TIMEOUT_BEFORE:
                return Unknown("no answer: ReadTimeout, and nothing was given back")
        if fault in BEHAVIOURS:
            self._plant(fault, "cancel")
        answer = self.inner.cancel(request)
        match fault:
            case Fault.CRASH_AFTER:
                raise Crash
            case Fault.TIMEOUT_AFTER:
                return Unknown("no answer: ReadTimeout, and it was given back")
        return answer

    def register_schedule(self, request: ScheduleRequest) -> RegisterAnswer:
        call = partial(self.inner.register_schedule, request)
        return untroubled(self._call("schedule", ROUNDS_OF_A_HELD_SCHEDULE, call))

    def revoke_schedule(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
        call = partial(self.inner.revoke_schedule, customer_uid, merchant_uid)
        return untroubled(self._call("schedule", ROUNDS_OF_A_HELD_SCHEDULE, call))

    def read_schedule(self, merchant_uid: str) -> ScheduleReading:
        timed_out = ScheduleReading(trouble="ReadTimeout")
        return self._read("schedule", "schedule", lambda: self.inner.read_schedule(merchant_uid), timed_out)

    def schedules_of_key(self, customer_uid: str, start: datetime, end: datetime) -> ScheduleListing:
        timed_out = ScheduleListing(trouble="ReadTimeout")
        return self._read(
            "schedules", "schedule", lambda: self.inner.schedules_of_key(customer_uid, start, end), timed_out
        )

    def schedules_between(self, start: datetime, end: datetime) -> ScheduleListing:
        """Not a step: comparing both books is no part of a charge."""
        return self.inner.schedules_between(start, end)

    def payment(self, imp_uid: str) -> Listing:
        return self._read("payment", "read", lambda: self.inner.payment(imp_uid), Listing((), "ReadTimeout"))

    def shows(self, imp_uid: str) -> bool:
        return bool(self.payment(imp_uid).payments)

    def payments_of(self, merchant_uid: str) -> Listing:
        return self._read(
            "payments of", "read", lambda: self.inner.payments_of(merchant_uid), Listing((), "ReadTimeout")
        )

    def payments_between(self, start: datetime, end: datetime) -> Iterator[Sheet]:
        """Not a step: comparing both books is no part of a charge."""
        return self.inner.payments_between(start, end)

    def read_key(self, customer_uid: str) -> KeyReading:
        return self._read(
            "key", "customers", lambda: self.inner.read_key(customer_uid), KeyReading(trouble="ReadTimeout")
        )

    def _read(self, name: str, endpoint: str, read: Callable[[], Any], timed_out: Any) -> Any:
        fault = self.script.step(Step.READ, name)
        if fault in BEHAVIOURS:
            self._plant(fault, endpoint)
        found = read()
        match fault:
            case Fault.CRASH_AFTER:
                raise Crash
            case Fault.TIMEOUT_AFTER:
                return timed_out
            case Fault.STALE:
                hold(ROUNDS_OF_A_STALE_READ)
        return found

    def _plant(self, fault: Fault, endpoint: str, **matching: str) -> None:
        """The sandbox's very next call of this endpoint meets its fault: there is no other caller."""
        behaviour, times = BEHAVIOURS[fault]
        self.sandbox.rule(behaviour, endpoint=endpoint, times=times, **matching)


def survive(work: Callable[[], object]) -> bool:
    """Do something as a worker does it; False when it ended by a crash or without its database."""
    try:
        work()
    except (Crash, Unavailable):
        return False
    return True
