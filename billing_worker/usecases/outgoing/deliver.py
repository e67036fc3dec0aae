"""Deliver events to the merchant. They were written together with the state that they tell of.

Events of one stream (a subscription with its invoices, refunds and attempts; or a key) go out one after the other: the
next one only when the one before was taken, or given up. A delivery is three short acts like a charge: take it in
hand, send it, write down what came of it. A worker that lost it meanwhile may repeat it, never overtake.
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
"""By one scan, of what was delivered long ago: a few milliseconds beside finding what is due."""


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim events to deliver; none where the merchant named no receiver (then they are kept, and shown by `why`)."""
    notifier = ports.notifier
    if notifier is None:
        return ()
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        real_now, lease_until = moment.real, moment.real + timedelta(seconds=ports.timing.claim)
        endpoint = _endpoint(uow, notifier, moment)
        if endpoint.disabled_at is not None:
            _alert_again(uow, endpoint, moment.billing)
        allowed = endpoint.allowance(uow.outbox.under_way(real_now), limit, real_now)
        ids = list(uow.outbox.claim_due(real_now, lease_until, allowed)) if allowed else []
        if allowed:
            endpoint.handed_out(ids, allowed, limit, lease_until)
        uow.endpoints.save(endpoint)
        uow.outbox.forget(real_now - ports.delivering.keep, FORGOTTEN_AT_ONCE)
        uow.commit()
    return ids


def deliver(ports: Ports, message_id: str) -> None:
    """Send one event, if it is its turn; on trouble try again later, for three days."""
    if ports.notifier is None:
        return
    sending = _take(ports, ports.notifier, message_id)
    if sending is None:
        return
    at = ports.clock.moment().real
    if at + SENDING > sending.until:
        # This process was held up: by the time it ends, the event may belong to somebody else.
        return
    _note(ports, ports.notifier, sending, ports.notifier.send(sending.message, at))


@dataclass(frozen=True, slots=True)
class _Sending:
    """An event in the hands of this worker."""

    message: OutboxMessage
    until: datetime


def _endpoint(uow: UnitOfWork, notifier: Notifier, moment: Moment) -> Endpoint:
    """The receiver's row, locked. A new one owes nothing to the one before: all that waits is due at once."""
    address = notifier.address
    if uow.endpoints.find(address.id) is None and uow.endpoints.add(Endpoint(address.id, address.shown, moment.real)):
        uow.outbox.hasten(moment.real)
        uow.alerts.close(AlertKind.EVENTS_DISABLED, "endpoint", moment.billing)
    return uow.endpoints.lock(address.id)


def _alert_again(uow: UnitOfWork, endpoint: Endpoint, now: datetime) -> None:
    """Somebody may have gone back to a receiver that is disabled, after the alert was closed by the other one."""
    if not any(alert.kind == AlertKind.EVENTS_DISABLED for alert in uow.alerts.of_subject("endpoint")):
        _alert_disabled(uow, endpoint, endpoint.failing_since or endpoint.disabled_at, now=now)


def _alert_disabled(uow: UnitOfWork, endpoint: Endpoint, since: datetime | None, *, now: datetime) -> None:
    """The receiver has taken nothing since then; or, for good, said that it is gone (410)."""
    facts: dict[str, Fact] = {"case": "gone", "url": endpoint.url, "trouble": endpoint.last_trouble}
    if since is not None:
        facts |= {"case": "failing", "since": f"{since:%Y-%m-%d %H:%M} UTC"}
    uow.alerts.open(AlertKind.EVENTS_DISABLED, "endpoint", facts, now)


def _take(ports: Ports, notifier: Notifier, message_id: str) -> _Sending | None:
    """Act one: is it its turn, and may the receiver be asked?"""
    with ports.database.transaction() as uow:
        message = uow.outbox.lock(message_id)
        moment = ports.clock.moment()
        real_now = moment.real
        under_way = message.sending_until is not None and message.sending_until > real_now
        if not message.waits or message.next_try_at > real_now or under_way:
            return None
        endpoint = uow.endpoints.find(notifier.address.id) or _endpoint(uow, notifier, moment)
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
    """Act three. That it was taken counts, whoever has it by now; a refusal counts for its holder alone."""
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
            _note_success(uow, notifier, moment)
        else:
            _note_refusal(ports, uow, message, refusal, moment)
        uow.outbox.save(message)
        uow.commit()


def _note_success(uow: UnitOfWork, notifier: Notifier, moment: Moment) -> None:
    endpoint = uow.endpoints.find(notifier.address.id)
    if endpoint is not None and endpoint.would_note_success(moment.real):
        endpoint = uow.endpoints.lock(endpoint.id)
        endpoint.took(moment.real)
        uow.endpoints.save(endpoint)
        if endpoint.disabled_at is None:
            # A process that still had the URL before it may have told of that one once more.
            uow.alerts.close(AlertKind.EVENTS_DISABLED, "endpoint", moment.billing)


def _note_refusal(ports: Ports, uow: UnitOfWork, message: OutboxMessage, refusal: Refusal, moment: Moment) -> None:
    real_now, first = moment.real, message.first_tried_at or moment.real
    spread = crc32(f"{message.id} {message.tries}".encode()) / 2**32
    again = next_try(message.tries, first, real_now, spread=spread, retry_after=refusal.retry_after)
    if again is not None:
        message.next_try_at = again
    else:
        message.abandoned_at = real_now
        facts: Facts = {"count": uow.outbox.given_up() + 1, "last": message.id, "trouble": refusal.trouble}
        uow.alerts.open(AlertKind.EVENTS_GIVEN_UP, "endpoint", facts, moment.billing)
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
        _alert_disabled(uow, endpoint, None if refusal.gone else endpoint.failing_since, now=moment.billing)
