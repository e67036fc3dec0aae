"""Stop the line: no new charge in a scope until an operator clears the stop."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind, Fact
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.moment import Moment
from billing_worker.domain.stop import LONGEST_REASON, SUBSCRIPTION, Stop, StopCause, require_scope
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stop, with the number of invoices that it holds."""

    stop: Stop
    waiting: int
    """Due invoices in its scope."""


def stop_on_word(ports: Ports, scope: str, reason: str, *, waits: bool = True) -> Stopped:
    """Stop all charging, one PG (`pg:NAME`) or one subscription (`subscription:ID`), at an operator's request.

    Inside a larger transaction this must not wait: other transactions see the stop only after the commit, so acts that
    the wait delays would still begin. The caller waits afterwards (`wait_for_begun`).

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
    """Stop charging. After this returns no attempt begins in the scope.

    Attempts already written down may still be sent within the HTTP deadline, and are settled by their outcome. This
    does not wait for an act that hangs in the database for seconds: the server ends it.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        stop = open_stop(uow, scope, cause, reason, subjects, moment=moment)
        note(ports, uow, Verb.STOP_OPENED, f"stop:{stop.id}", f"{scope}, {cause}", at=moment.real)
        uow.commit()
    if waits:
        wait_for_begun(ports)
    return _held(ports, stop)


def wait_for_begun(ports: Ports) -> None:
    """Wait, after the commit of a stop, until every act that began before it has ended, or hangs."""
    with suppress(Unavailable), ports.database.transaction() as uow:
        uow.stops.wait_for_begun()


def open_stop(
    uow: UnitOfWork, scope: str, cause: StopCause, reason: str, subjects: Sequence[str], *, moment: Moment
) -> Stop:
    """Write a stop and its alert down, within the caller's transaction."""
    stop = uow.stops.open(scope, cause, reason[:LONGEST_REASON], subjects, moment.billing)
    alert_of(uow, stop, moment)
    return stop


def alert_of(uow: UnitOfWork, stop: Stop, moment: Moment) -> None:
    """Open the alert of an open stop."""
    facts: dict[str, Fact] = {
        "case": stop.cause.value,
        "scope": stop.scope,
        "since": f"{stop.opened_at:%Y-%m-%d %H:%M} UTC",
        "reason": stop.reason,
    }
    if stop.cause is StopCause.ISSUE:
        facts |= {"key": stop.subjects[0], "subscription": stop.scope.removeprefix(SUBSCRIPTION)}
    uow.alerts.open(AlertKind.STOPPED, str(stop.id), facts, moment)


def clear_stop(ports: Ports, stop_id: int, note_text: str) -> Stopped:
    """Clear the stop. The breaches and invoices that caused it are accepted, and will not trigger another.

    Raises NotFound, InvalidInput, or Conflict when it is already cleared.
    """
    with ports.database.transaction() as uow:
        stop = uow.stops.lock(stop_id)
        end_stop(ports, uow, stop, note_text, ports.clock.moment())
        uow.commit()
    return _held(ports, stop)


def end_stop(ports: Ports, uow: UnitOfWork, stop: Stop, note_text: str, moment: Moment) -> None:
    """Clear a stop and close its alert, within the caller's transaction. Raises as `clear_stop`."""
    stop.clear(note_text, moment.billing)
    uow.stops.save(stop)
    uow.alerts.close(AlertKind.STOPPED, str(stop.id), moment)
    note(ports, uow, Verb.STOP_CLEARED, f"stop:{stop.id}", note_text, at=moment.real)


def stops(ports: Ports, limit: int) -> Sequence[Stopped]:
    """The open stops, oldest first, each with the number of invoices that it holds."""
    with ports.database.transaction() as uow:
        found = uow.stops.list_open()[:limit]
    return held_by(ports, found)


def held_by(ports: Ports, stops: Sequence[Stop]) -> Sequence[Stopped]:
    """Each of these stops with the number of invoices that it holds now; a cleared one holds none."""
    with ports.database.transaction() as uow:
        now = ports.clock.moment().billing
        return [Stopped(stop, uow.stops.waiting(stop.scope, now) if stop.is_open else 0) for stop in stops]


def _held(ports: Ports, stop: Stop) -> Stopped:
    with ports.database.transaction() as uow:
        return Stopped(stop, uow.stops.waiting(stop.scope, ports.clock.moment().billing))
