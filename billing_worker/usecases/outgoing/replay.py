"""An operator's commands for outgoing events: show them, send them again, and enable a disabled receiver."""

from datetime import timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.delivery import Endpoint
from billing_worker.domain.errors import Conflict
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outgoing import EventFilter, Notifier, OutboxMessage
from billing_worker.usecases.access.actions import note

REPLAY_PAUSE = timedelta(milliseconds=100)
"""The pause between two replayed events: ten a second, in addition to new ones."""

MOST_EVENTS = 100_000
"""The most that one command replays; for more, run it again with a later `since`."""


def send_again(ports: Ports, message_id: str) -> OutboxMessage:
    """Send an event again under its old `webhook-id`. An event that waits is tried at once. Raises NotFound.

    A replay is out of order by nature: it holds back only later events that are also replayed.
    """
    with ports.database.transaction() as uow:
        message = uow.outbox.lock(message_id)
        moment = ports.clock.moment()
        if message.waits:
            message.next_try_at = min(message.next_try_at, moment.real)
        else:
            message.delivered_at = message.abandoned_at = message.first_tried_at = message.note = None
            message.tries, message.next_try_at = 0, moment.real
            message.replays += 1
        uow.outbox.save(message)
        if not uow.outbox.given_up():
            uow.alerts.close(AlertKind.EVENTS_GIVEN_UP, "endpoint", moment)
        note(ports, uow, Verb.EVENT_REPLAYED, message.id, at=moment.real)
        uow.commit()
    return message


def send_range_again(ports: Ports, wanted: EventFilter) -> int:
    """Send matching events again, in order, ten a second; returns their number. Waiting events stay as they are."""
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        count = uow.outbox.replay(wanted, moment.real, REPLAY_PAUSE, MOST_EVENTS)
        if not uow.outbox.given_up():
            uow.alerts.close(AlertKind.EVENTS_GIVEN_UP, "endpoint", moment)
        note(ports, uow, Verb.EVENTS_REPLAYED, "endpoint", f"{count} events", at=moment.real)
        uow.commit()
    return count


def endpoint(ports: Ports) -> Endpoint:
    """The health of the receiver. Raises Conflict if there is none."""
    address = _notifier(ports).address
    with ports.database.transaction() as uow:
        found = uow.endpoints.find(address.id)
    return found or Endpoint(address.id, address.shown, ports.clock.moment().real)


def enable(ports: Ports) -> Endpoint:
    """Enable the receiver in any state. Waiting events are due at once, in order.

    Raises Conflict if there is none, or if it is not disabled.
    """
    address = _notifier(ports).address
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        # First the events and then the endpoint: deliveries lock them in this order.
        uow.outbox.hasten(moment.real)
        if uow.endpoints.find(address.id) is None:
            raise Conflict(f"nothing was sent to {address.shown} so far; it is not disabled")
        found = uow.endpoints.lock(address.id)
        if found.disabled_at is None and not found.is_down:
            raise Conflict(f"{found.url} is not disabled; events are sent to it")
        found.enable()
        uow.endpoints.save(found)
        uow.alerts.close(AlertKind.EVENTS_DISABLED, "endpoint", moment)
        note(ports, uow, Verb.ENDPOINT_ENABLED, "endpoint", at=moment.real)
        uow.commit()
    return found


def _notifier(ports: Ports) -> Notifier:
    if ports.notifier is None:
        raise Conflict("BILLING_EVENTS_URL is not set: events are kept, and not sent")
    return ports.notifier
