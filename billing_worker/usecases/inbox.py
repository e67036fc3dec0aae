"""Take in webhooks and pingbacks, and apply them.

What a notification says is a hint: it makes us read the gateway, and what the gateway answers is recorded through the
same door as every other answer. Receiving stores and returns; applying is a job like the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.payment import PaymentStatus
from billing_worker.ports import Arrival, Echo, InboxMessage, InboxStatus, Listing, Ports, UnitOfWork
from billing_worker.usecases.applied import Applied
from billing_worker.usecases.apply_pingback import apply_pingback
from billing_worker.usecases.apply_webhook import apply_webhook

PORTONE = "portone"
PAYMENTWALL_PINGBACK = "paymentwall"

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
ECHO_WAIT = timedelta(seconds=5)
"""An answer and its webhook leave PortOne together; longer than both need to arrive and to be recorded."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was stored, and whether it is worth a ring."""

    id: int
    at_once: bool
    """False for the ordinary echo of a charge of our own: the charge's answer says the same."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A webhook or pingback as it came, read and found well formed."""

    source: str
    dedupe_key: str
    """Equal for a repeated delivery."""
    payload: dict[str, str]


def receive(ports: Ports, source: str, dedupe_key: str, payload: dict[str, str]) -> Receipt:
    """Store one notification durably, as `receive_many` does."""
    (receipt,) = receive_many(ports, [Notification(source, dedupe_key, payload)])
    return receipt


def receive_many(ports: Ports, notifications: Sequence[Notification]) -> Sequence[Receipt]:
    """Store notifications durably, all or none; the same one again is counted, and applied again.

    PortOne sends a webhook for every charge that we place. Where its payment is recorded already nothing is left to
    do; while its attempt is in flight the answer gets a few seconds to come first.
    """
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        echoes = _echoes(uow, notifications)
        ids = uow.inbox.add_all(
            [_arrival(each, echo, real_now) for each, echo in zip(notifications, echoes, strict=True)], real_now
        )
        uow.commit()
    return [Receipt(ident, at_once=echo is Echo.NONE) for ident, echo in zip(ids, echoes, strict=True)]


def _echoes(uow: UnitOfWork, notifications: Sequence[Notification]) -> Sequence[Echo]:
    paid = {
        number: (each.payload["imp_uid"], each.payload["merchant_uid"])
        for number, each in enumerate(notifications)
        if each.source == PORTONE and each.payload["status"] == PaymentStatus.PAID
    }
    found = dict(zip(paid, uow.attempts.echoes_of(list(paid.values())), strict=True))
    return [found.get(number, Echo.NONE) for number in range(len(notifications))]


def _arrival(notification: Notification, echo: Echo, real_now: datetime) -> Arrival:
    return Arrival(
        notification.source,
        notification.dedupe_key,
        notification.payload,
        InboxStatus.APPLIED if echo is Echo.RECORDED else InboxStatus.RECEIVED,
        real_now + ECHO_WAIT if echo is Echo.IN_FLIGHT else real_now,
    )


def due(ports: Ports, limit: int) -> Sequence[int]:
    """Claim notifications that are still to be applied; those that tell nothing new any more are done with at once."""
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        uow.inbox.close_echoes(real_now)
        ids = uow.inbox.claim_due(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def apply(ports: Ports, message_id: int) -> Applied:
    """Read the gateway about one notification and record what it answers."""
    with ports.database.transaction() as uow:
        message = uow.inbox.lock(message_id)
        if message.status is not InboxStatus.RECEIVED:
            return Applied(message.status, "applied before")
    seen = message.deliveries
    if message.source == PORTONE:
        listing = ports.gateway.payment(message.payload["imp_uid"])
        knows_key = None
    else:
        listing = Listing(())
        knows_key = ports.gateway.knows_key(message.payload["uid"])
    with ports.database.transaction() as uow:
        message = uow.inbox.lock(message_id)
        if message.status is not InboxStatus.RECEIVED:
            return Applied(message.status, "applied before")
        if message.source == PORTONE:
            applied = apply_webhook(ports, uow, message, listing)
        else:
            applied = apply_pingback(ports, uow, message, knows_key=knows_key)
        _write_back(message, applied, seen, ports.clock.real_now())
        uow.inbox.save(message)
        uow.commit()
    return applied


def _write_back(message: InboxMessage, applied: Applied, seen: int, real_now: datetime) -> None:
    message.tries += 1
    message.note = applied.note
    if message.deliveries > seen:
        # It came again while the gateway was being read: what made it come may be younger than the answer.
        message.next_try_at = real_now
        return
    message.status = applied.status
    if applied.status is InboxStatus.RECEIVED:
        if message.tries >= applied.most_tries:
            message.status = InboxStatus.IGNORED
        message.next_try_at = real_now + min(FIRST_WAIT * 2 ** (message.tries - 1), LONGEST_WAIT)
