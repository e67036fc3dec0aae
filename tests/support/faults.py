"""Faults at exact steps: every commit and every call to the gateway is a step, counted, and may go wrong once.

A `Script` says at which step and how. The ports that it wraps behave as before everywhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from billing_worker.domain.errors import Unavailable
from billing_worker.domain.payment import ChargeRequest, Outcome, Unknown
from billing_worker.domain.refund import RefundAnswer, RefundRequest
from billing_worker.ports import Database, Gateway, Listing, Ports, Sheet


class Crash(BaseException):
    """The process is gone: nothing may catch this, as nothing catches SIGKILL."""


class Fault(StrEnum):
    """How a step goes wrong."""

    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"
    """The step has its effect, and nobody lives to hear of it."""
    LOST_BEFORE = "lost_before"
    """The connection breaks before the step has an effect."""
    LOST_AFTER = "lost_after"
    """The connection breaks after the effect: for a commit, nobody knows whether it was kept."""


@dataclass
class Script:
    """Which steps go wrong, by number from 1; and what happened, for the reader of a failure."""

    faults: dict[int, Fault] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)

    def step(self, name: str) -> Fault | None:
        """Count a step; the fault it shall meet."""
        self.steps.append(name)
        return self.faults.get(len(self.steps))

    def wrap(self, ports: Ports) -> Ports:
        """Ports whose steps this script counts."""
        return replace(ports, database=FaultyDatabase(ports.database, self), gateway=FaultyGateway(ports.gateway, self))


@dataclass
class FaultyDatabase:
    """Counts commits."""

    inner: Database
    script: Script

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self.inner.transaction() as uow:
            yield _Transaction(uow, self.script)


class _Transaction:
    def __init__(self, uow: Any, script: Script) -> None:
        self._uow = uow
        self._script = script

    def __getattr__(self, name: str) -> Any:
        return getattr(self._uow, name)

    def commit(self) -> None:
        fault = self._script.step("commit")
        if fault is Fault.CRASH_BEFORE:
            raise Crash
        if fault is Fault.LOST_BEFORE:
            raise Unavailable("the connection broke before the commit")
        self._uow.commit()
        if fault is Fault.CRASH_AFTER:
            raise Crash
        if fault is Fault.LOST_AFTER:
            raise Unavailable("the connection broke, and nobody knows whether the commit was kept")


@dataclass
class FaultyGateway:
    """Counts calls."""

    inner: Gateway
    script: Script

    def charge(self, request: ChargeRequest) -> Outcome:
        fault = self.script.step("charge")
        if fault is Fault.CRASH_BEFORE:
            raise Crash
        if fault is Fault.LOST_BEFORE:
            return Unknown("the connection broke before anything was placed")
        outcome = self.inner.charge(request)
        if fault is Fault.CRASH_AFTER:
            raise Crash
        if fault is Fault.LOST_AFTER:
            return Unknown("the connection broke after it was placed")
        return outcome

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        fault = self.script.step("cancel")
        if fault is Fault.CRASH_BEFORE:
            raise Crash
        if fault is Fault.LOST_BEFORE:
            return Unknown("the connection broke before anything was given back")
        answer = self.inner.cancel(request)
        if fault is Fault.CRASH_AFTER:
            raise Crash
        if fault is Fault.LOST_AFTER:
            return Unknown("the connection broke after it was given back")
        return answer

    def payment(self, imp_uid: str) -> Listing:
        return self._read("payment", lambda: self.inner.payment(imp_uid))

    def payments_of(self, merchant_uid: str) -> Listing:
        return self._read("payments_of", lambda: self.inner.payments_of(merchant_uid))

    def payments_between(self, start: datetime, end: datetime) -> Iterator[Sheet]:
        fault = self.script.step("payments_between")
        if fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
            raise Crash
        yield from [Sheet(trouble="the connection broke")] if fault else self.inner.payments_between(start, end)

    def knows_key(self, customer_uid: str) -> bool | None:
        fault = self.script.step("knows_key")
        if fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
            raise Crash
        return None if fault else self.inner.knows_key(customer_uid)

    def _read(self, name: str, read: Any) -> Listing:
        fault = self.script.step(name)
        if fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
            raise Crash
        return Listing((), "the connection broke") if fault else read()


def survive(work: Any) -> bool:
    """Do something as a worker does it; False when it ended by a crash or without its database."""
    try:
        work()
    except (Crash, Unavailable):
        return False
    return True
