"""Stop the line: no new charge in a scope until an operator clears it; and clear it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind, Fact
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.stop import LONGEST_REASON, SUBSCRIPTION, Stop, StopCause, require_scope
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stop, and what it holds now."""

    stop: Stop
    waiting: int
    """Invoices that are due there and wait."""


def stop_on_word(ports: Ports, scope: str, reason: str, *, waits: bool = True) -> Stopped:
    """An operator stops all charging, one PG (`pg:NAME`) or one subscription (`subscription:ID`).

    Where this is a part of a larger transaction, it must not wait: nobody sees the stop before that ends, and what was
    held up by the waiting would begin all the same. The caller does it afterwards (`wait_for_begun`).

    Raises InvalidInput, or NotFound for a subscription that does not exist.
    """
    require_scope(scope)
    reason = entered("reason", reason, LONGEST_REASON)
    if scope.startswith(SUBSCRIPTION):
        with ports.database.transaction() as uow:
            uow.subscriptions.get(scope.removeprefix(SUBSCRIPTION))
    return stop_charging(ports, scope, StopCause.PERSON, reason, waits=waits)


def stop_charging(
    ports: Ports, scope: str, cause: StopCause, reason: str, subjects: Sequence[str] = (), *, waits: bool = True
) -> Stopped:
    """Stop. From the moment this returns no attempt begins there.

    Attempts that are written down already may still be sent, within the HTTP deadline, and are settled as they turn
    out. An act that hangs in the database for seconds is not waited for: it is ended by the server.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        stop = open_stop(uow, scope, cause, reason, subjects, now=moment.billing)
        note(ports, uow, Verb.STOP_OPENED, f"stop:{stop.id}", f"{scope}, {cause}", at=moment.real)
        uow.commit()
    if waits:
        wait_for_begun(ports)
    return _held(ports, stop)


def wait_for_begun(ports: Ports) -> None:
    """Once a stop can be seen: wait until every act that had begun before has ended, or hangs."""
    with suppress(Unavailable), ports.database.transaction() as uow:
        uow.stops.wait_for_begun()


def open_stop(
    uow: UnitOfWork, scope: str, cause: StopCause, reason: str, subjects: Sequence[str], *, now: datetime
) -> Stop:
    """Write a stop and its alert down, within the caller's transaction."""
    stop = uow.stops.open(scope, cause, reason[:LONGEST_REASON], subjects, now)
    alert_of(uow, stop, now)
    return stop


def alert_of(uow: UnitOfWork, stop: Stop, now: datetime) -> None:
    """While a stop is open, so is its alert."""
    facts: dict[str, Fact] = {
        "case": stop.cause.value,
        "scope": stop.scope,
        "since": f"{stop.opened_at:%Y-%m-%d %H:%M} UTC",
        "reason": stop.reason,
    }
    if stop.cause is StopCause.ISSUE:
        facts |= {"key": stop.subjects[0], "subscription": stop.scope.removeprefix(SUBSCRIPTION)}
    uow.alerts.open(AlertKind.STOPPED, str(stop.id), facts, now)


def clear_stop(ports: Ports, stop_id: int, note_text: str) -> Stopped:
    """Clear the stop. The breaches and invoices that caused it are accepted, and will not trigger another.

    Raises NotFound, InvalidInput, or Conflict when it is cleared already.
    """
    with ports.database.transaction() as uow:
        stop = uow.stops.lock(stop_id)
        moment = ports.clock.moment()
        stop.clear(note_text, moment.billing)
        uow.stops.save(stop)
        uow.alerts.close(AlertKind.STOPPED, str(stop.id), moment.billing)
        note(ports, uow, Verb.STOP_CLEARED, f"stop:{stop.id}", note_text, at=moment.real)
        uow.commit()
    return _held(ports, stop)


def stops(ports: Ports, limit: int) -> Sequence[Stopped]:
    """What stops charging now, oldest first, each with what it holds."""
    with ports.database.transaction() as uow:
        found = uow.stops.list_open()[:limit]
    return held_by(ports, found)


def held_by(ports: Ports, stops: Sequence[Stop]) -> Sequence[Stopped]:
    """Each of these stops with what it holds now; a cleared one holds nothing."""
    with ports.database.transaction() as uow:
        now = ports.clock.moment().billing
        return [Stopped(stop, uow.stops.waiting(stop.scope, now) if stop.is_open else 0) for stop in stops]


def _held(ports: Ports, stop: Stop) -> Stopped:
    with ports.database.transaction() as uow:
        return Stopped(stop, uow.stops.waiting(stop.scope, ports.clock.moment().billing))
