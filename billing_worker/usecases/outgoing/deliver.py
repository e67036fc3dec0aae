"""Deliver events to the merchant. They were written together with the state that they are about.

Events of one stream (a subscription with its invoices, refunds and attempts; or a key) go out in order: the next one
only when the previous one was taken, or given up. A delivery is three short acts like a charge: claim it, send it,
record the result. A worker that lost its lease may repeat an event, but never overtake one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from billing_worker.domain.alerts import AlertKind, Fact, Facts
from billing_worker.domain.delivery import LEASE, SENDING, Endpoint, next_try
from billing_worker.domain.moment import Moment
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outgoing import Notifier, OutboxMessage, Refusal
from billing_worker.ports.storage import UnitOfWork

FORGOTTEN_AT_ONCE = 500
"""Old events that one scan deletes, delivered or without a receiver: a few milliseconds of work."""


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim events to deliver; none without a receiver: then old ones are let go."""
    notifier = ports.notifier
    if notifier is None:
        _let_go(ports)
        return ()
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        real_now, lease_until = moment.real, moment.real + timedelta(seconds=ports.timing.claim)
        endpoint = _endpoint(uow, notifier, moment)
        if endpoint.disabled_at is not None:
            _alert_again(uow, endpoint, moment)
        allowed = endpoint.allowance(uow.outbox.under_way(real_now), limit, real_now)
        ids = list(uow.outbox.claim_due(real_now, lease_until, allowed)) if allowed else []
        if allowed and not ids and endpoint.is_down:
            # All that waits was refused and has a later time. The receiver may be well long before.
            ids = list(uow.outbox.claim_early(real_now, lease_until))
        if allowed:
            endpoint.handed_out(ids, allowed, limit, lease_until)
        uow.endpoints.save(endpoint)
        uow.outbox.forget(real_now - ports.delivering.keep, FORGOTTEN_AT_ONCE)
        uow.commit()
    return ids


def _let_go(ports: Ports) -> None:
    """A receiver that is named later gets the events of the retention; `why` shows as many."""
    with ports.database.transaction() as uow:
        real_now = ports.clock.moment().real
        uow.outbox.let_go(real_now - ports.delivering.keep, real_now, FORGOTTEN_AT_ONCE)
        uow.commit()


def deliver(ports: Ports, message_id: str) -> None:
    """Send one event, if it is its turn; on trouble try again later, for three days."""
    if ports.notifier is None:
        return
    sending = _take(ports, ports.notifier, message_id)
    if sending is None:
        return
    at = ports.clock.moment().real
    if at + SENDING > sending.until:
        # This process stalled: when the delivery ends, another worker may own the event.
        return
    _note(ports, ports.notifier, sending, ports.notifier.send(sending.message, at))


@dataclass(frozen=True, slots=True)
class _Sending:
    """An event claimed by this worker."""

    message: OutboxMessage
    until: datetime


def _endpoint(uow: UnitOfWork, notifier: Notifier, moment: Moment) -> Endpoint:
    """The receiver's row, locked. A new receiver has no history: all waiting events are due at once."""
    address = notifier.address
    if uow.endpoints.find(address.id) is None and uow.endpoints.add(Endpoint(address.id, address.shown, moment.real)):
        uow.outbox.hasten(moment.real)
        uow.alerts.close(AlertKind.EVENTS_DISABLED, "endpoint", moment)
    return uow.endpoints.lock(address.id)


def _alert_again(uow: UnitOfWork, endpoint: Endpoint, moment: Moment) -> None:
    """Open the alert again: the merchant may have returned to a disabled receiver after another one closed it."""
    if not any(alert.kind == AlertKind.EVENTS_DISABLED for alert in uow.alerts.of_subject("endpoint")):
        _alert_disabled(uow, endpoint, endpoint.failing_since or endpoint.disabled_at, moment=moment)


def _alert_disabled(uow: UnitOfWork, endpoint: Endpoint, since: datetime | None, *, moment: Moment) -> None:
    """Alert an operator: the receiver has taken no event since then, or answered 410 (gone)."""
    facts: dict[str, Fact] = {"case": "gone", "url": endpoint.url, "trouble": endpoint.last_trouble}
    if since is not None:
        facts |= {"case": "failing", "since": f"{since:%Y-%m-%d %H:%M} UTC"}
    uow.alerts.open(AlertKind.EVENTS_DISABLED, "endpoint", facts, moment)


def _take(ports: Ports, notifier: Notifier, message_id: str) -> _Sending | None:
    """Act one: check that it is the event's turn, and that the receiver may get it."""
    with ports.database.transaction() as uow:
        message = uow.outbox.lock(message_id)
        moment = ports.clock.moment()
        real_now = moment.real
        under_way = message.sending_until is not None and message.sending_until > real_now
        if not message.waits or under_way:
            return None
        endpoint = uow.endpoints.find(notifier.address.id) or _endpoint(uow, notifier, moment)
        if message.next_try_at > real_now and not endpoint.probes_with(message.id):
            return None
        if uow.outbox.held_back(message) or not endpoint.may_send(message.id):
            message.lease_until = None
            uow.outbox.save(message)
            uow.commit()
            return None
        message.fence += 1
        message.tries += 1
        message.first_tried_at = message.first_tried_at or real_now
        message.lease_until = message.sending_until = real_now + LEASE
        uow.outbox.save(message)
        uow.commit()
    return _Sending(message, real_now + LEASE)


def _note(ports: Ports, notifier: Notifier, sending: _Sending, refusal: Refusal | None) -> None:
    """Act three. A success always counts; a refusal counts only while this worker owns the event."""
    with ports.database.transaction() as uow:
        message = uow.outbox.lock(sending.message.id)
        moment = ports.clock.moment()
        lost = message.fence != sending.message.fence
        if not message.waits or (lost and refusal is not None):
            return
        message.lease_until = message.sending_until = None
        message.note = refusal.trouble if refusal else None
        if refusal is None:
            message.delivered_at = moment.real
        else:
            _note_refusal(ports, uow, message, refusal, moment)
        uow.outbox.save(message)
        if refusal is None:
            _note_success(uow, notifier, moment)
        uow.commit()


def _note_success(uow: UnitOfWork, notifier: Notifier, moment: Moment) -> None:
    endpoint = uow.endpoints.find(notifier.address.id)
    if endpoint is not None and endpoint.would_note_success(moment.real):
        endpoint = uow.endpoints.lock(endpoint.id)
        if endpoint.is_down:
            # What it refused meanwhile would wait for up to 20 hours, and each stream with it.
            uow.outbox.resume(moment.real)
        endpoint.took(moment.real)
        uow.endpoints.save(endpoint)
        if endpoint.disabled_at is None:
            # A process with the earlier URL may have opened the alert about that one again.
            uow.alerts.close(AlertKind.EVENTS_DISABLED, "endpoint", moment)


def _note_refusal(ports: Ports, uow: UnitOfWork, message: OutboxMessage, refusal: Refusal, moment: Moment) -> None:
    real_now, first = moment.real, message.first_tried_at or moment.real
    spread = crc32(f"{message.id} {message.tries}".encode()) / 2**32
    again = next_try(message.tries, first, real_now, spread=spread, retry_after=refusal.retry_after)
    if again is not None:
        message.next_try_at = again
    else:
        message.abandoned_at = real_now
        facts: Facts = {"count": uow.outbox.given_up() + 1, "last": message.id, "trouble": refusal.trouble}
        uow.alerts.open(AlertKind.EVENTS_GIVEN_UP, "endpoint", facts, moment)
    if ports.notifier is None:
        return
    endpoint = uow.endpoints.lock(ports.notifier.address.id)
    disabled = endpoint.refused(
        message.id,
        refusal.trouble,
        real_now,
        disable_after=ports.delivering.disable_after,
        gone=refusal.gone,
        retry_after=refusal.retry_after,
    )
    uow.endpoints.save(endpoint)
    if disabled:
        _alert_disabled(uow, endpoint, None if refusal.gone else endpoint.failing_since, moment=moment)
