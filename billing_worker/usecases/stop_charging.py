"""Stop the line: no new charge in a scope until a person clears it; and clear it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.errors import Unavailable
from billing_worker.domain.stop import LONGEST_REASON, SUBSCRIPTION, Stop, StopCause, require_scope
from billing_worker.domain.text import entered
from billing_worker.ports import Ports, UnitOfWork


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stop, and what it holds now."""

    stop: Stop
    waiting: int
    """Invoices that are due there and wait."""


def stop_on_word(ports: Ports, scope: str, reason: str) -> Stopped:
    """A person stops all charging, one PG (`pg:NAME`) or one subscription (`subscription:ID`).

    Raises InvalidInput, or NotFound for a subscription that does not exist.
    """
    require_scope(scope)
    reason = entered("reason", reason, LONGEST_REASON)
    if scope.startswith(SUBSCRIPTION):
        with ports.database.transaction() as uow:
            uow.subscriptions.get(scope.removeprefix(SUBSCRIPTION))
    return stop_charging(ports, scope, StopCause.PERSON, reason)


def stop_charging(ports: Ports, scope: str, cause: StopCause, reason: str, subjects: Sequence[str] = ()) -> Stopped:
    """Stop. From the moment this returns no attempt begins there.

    Attempts that are written down already may still be sent, within the HTTP deadline, and are settled as they turn
    out. An act that hangs in the database for seconds is not waited for: it is ended by the server.
    """
    with ports.database.transaction() as uow:
        stop = open_stop(uow, scope, cause, reason, subjects, now=ports.clock.now())
        uow.commit()
    with suppress(Unavailable), ports.database.transaction() as uow:
        uow.stops.wait_for_begun()
    return _held(ports, stop)


def open_stop(
    uow: UnitOfWork, scope: str, cause: StopCause, reason: str, subjects: Sequence[str], *, now: datetime
) -> Stop:
    """Write a stop and its alert down, within the caller's transaction."""
    stop = uow.stops.open(scope, cause, reason[:LONGEST_REASON], subjects, now)
    alert_of(uow, stop, now)
    return stop


def alert_of(uow: UnitOfWork, stop: Stop, now: datetime) -> None:
    """While a stop is open, so is its alert."""
    detail = f"{stop}. When it is dealt with: billing-worker breaker clear {stop.id} --note '...'"
    uow.alerts.open("stopped", str(stop.id), detail, now)


def clear_stop(ports: Ports, stop_id: int, note: str) -> Stopped:
    """Let charges go on, and accept what the stop was about: those breaches, and those invoices, trip no second time.

    Raises NotFound, InvalidInput, or Conflict when it is cleared already.
    """
    now = ports.clock.now()
    with ports.database.transaction() as uow:
        stop = uow.stops.lock(stop_id)
        stop.clear(note, now)
        uow.stops.save(stop)
        uow.alerts.close("stopped", str(stop.id), now)
        uow.commit()
    return _held(ports, stop)


def stops(ports: Ports, limit: int, *, also_cleared: bool = False) -> Sequence[Stopped]:
    """Open stops, oldest first; or all, newest first."""
    with ports.database.transaction() as uow:
        found = uow.stops.list(limit) if also_cleared else uow.stops.list_open()[:limit]
        now = ports.clock.now()
        return [Stopped(stop, uow.stops.waiting(stop.scope, now) if stop.is_open else 0) for stop in found]


def _held(ports: Ports, stop: Stop) -> Stopped:
    with ports.database.transaction() as uow:
        return Stopped(stop, uow.stops.waiting(stop.scope, ports.clock.now()))
