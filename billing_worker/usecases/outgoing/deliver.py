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
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outgoing import Notifier, OutboxMessage, Refusal
from billing_worker.ports.storage import UnitOfWork

FORGOTTEN_AT_ONCE = 500
"""By one scan, of what was delivered long ago or waits for no receiver: a few milliseconds."""


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim events to deliver; none where the merchant named no receiver: then they are let go when they are old."""
    notifier, real_now = ports.notifier, ports.clock.real_now()
    if notifier is None:
        _let_go(ports, real_now)
        return ()
    lease_until = real_now + timedelta(seconds=ports.timing.claim)
    with ports.database.transaction() as uow:
        endpoint = _endpoint(ports, uow, notifier, real_now)
        if endpoint.disabled_at is not None:
            _alert_again(ports, uow, endpoint)
        allowed = endpoint.allowance(uow.outbox.under_way(real_now), limit, real_now)
        ids = list(uow.outbox.claim_due(real_now, lease_until, allowed)) if allowed else []
        if allowed:
            endpoint.handed_out(ids, allowed, limit, lease_until)
        uow.endpoints.save(endpoint)
        uow.outbox.forget(real_now - ports.delivering.keep, FORGOTTEN_AT_ONCE)
        uow.commit()
    return ids


def _let_go(ports: Ports, real_now: datetime) -> None:
    """A receiver that is named later gets what happened within the retention; `why` shows as much."""
    with ports.database.transaction() as uow:
        uow.outbox.let_go(real_now - ports.delivering.keep, real_now, FORGOTTEN_AT_ONCE)
        uow.commit()


def deliver(ports: Ports, message_id: str) -> None:
    """Send one event, if it is its turn; on trouble try again later, for three days."""
    if ports.notifier is None:
        return
    sending = _take(ports, ports.notifier, message_id)
    if sending is None:
        return
    at = ports.clock.real_now()
    if at + SENDING > sending.until:
        # This process was held up: by the time it ends, the event may belong to somebody else.
        return
    _note(ports, ports.notifier, sending, ports.notifier.send(sending.message, at))


@dataclass(frozen=True, slots=True)
class _Sending:
    """An event in the hands of this worker."""

    message: OutboxMessage
    until: datetime


def _endpoint(ports: Ports, uow: UnitOfWork, notifier: Notifier, real_now: datetime) -> Endpoint:
    """The receiver's row, locked. A new one owes nothing to the one before: all that waits is due at once."""
    address = notifier.address
    if uow.endpoints.find(address.id) is None and uow.endpoints.add(Endpoint(address.id, address.shown, real_now)):
        uow.outbox.hasten(real_now)
        uow.alerts.close(AlertKind.EVENTS_DISABLED, "endpoint", ports.clock.now())
    return uow.endpoints.lock(address.id)


def _alert_again(ports: Ports, uow: UnitOfWork, endpoint: Endpoint) -> None:
    """Somebody may have gone back to a receiver that is disabled, after the alert was closed by the other one."""
    if not any(alert.kind == AlertKind.EVENTS_DISABLED for alert in uow.alerts.of_subject("endpoint")):
        _alert_disabled(ports, uow, endpoint, endpoint.failing_since or endpoint.disabled_at)


def _alert_disabled(ports: Ports, uow: UnitOfWork, endpoint: Endpoint, since: datetime | None) -> None:
    """The receiver has taken nothing since then; or, for good, said that it is gone (410)."""
    facts: dict[str, Fact] = {"case": "gone", "url": endpoint.url, "trouble": endpoint.last_trouble}
    if since is not None:
        facts |= {"case": "failing", "since": f"{since:%Y-%m-%d %H:%M} UTC"}
    uow.alerts.open(AlertKind.EVENTS_DISABLED, "endpoint", facts, ports.clock.now())


def _take(ports: Ports, notifier: Notifier, message_id: str) -> _Sending | None:
    """Act one: is it its turn, and may the receiver be asked?"""
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        message = uow.outbox.lock(message_id)
        under_way = message.sending_until is not None and message.sending_until > real_now
        if not message.waits or message.next_try_at > real_now or under_way:
            return None
        endpoint = uow.endpoints.find(notifier.address.id) or _endpoint(ports, uow, notifier, real_now)
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
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        message = uow.outbox.lock(sending.message.id)
        lost = message.fence != sending.message.fence
        if not message.waits or (lost and refusal is not None):
            return
        message.lease_until = message.sending_until = None
        message.note = refusal.trouble if refusal else None
        if refusal is None:
            message.delivered_at = real_now
            _note_success(ports, uow, notifier, real_now)
        else:
            _note_refusal(ports, uow, message, refusal, real_now)
        uow.outbox.save(message)
        uow.commit()


def _note_success(ports: Ports, uow: UnitOfWork, notifier: Notifier, real_now: datetime) -> None:
    endpoint = uow.endpoints.find(notifier.address.id)
    if endpoint is not None and endpoint.would_note_success(real_now):
        endpoint = uow.endpoints.lock(endpoint.id)
        endpoint.took(real_now)
        uow.endpoints.save(endpoint)
        if endpoint.disabled_at is None:
            # A process that still had the URL before it may have told of that one once more.
            uow.alerts.close(AlertKind.EVENTS_DISABLED, "endpoint", ports.clock.now())


def _note_refusal(ports: Ports, uow: UnitOfWork, message: OutboxMessage, refusal: Refusal, real_now: datetime) -> None:
    now, first = ports.clock.now(), message.first_tried_at or real_now
    spread = crc32(f"{message.id} {message.tries}".encode()) / 2**32
    again = next_try(message.tries, first, real_now, spread=spread, retry_after=refusal.retry_after)
    if again is not None:
        message.next_try_at = again
    else:
        message.abandoned_at = real_now
        facts: Facts = {"count": uow.outbox.given_up() + 1, "last": message.id, "trouble": refusal.trouble}
        uow.alerts.open(AlertKind.EVENTS_GIVEN_UP, "endpoint", facts, now)
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
        _alert_disabled(ports, uow, endpoint, None if refusal.gone else endpoint.failing_since)
