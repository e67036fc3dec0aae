"""Apply webhooks and pingbacks.

A notification is a hint: a worker reads the gateway, and records its answer through the same door as every other
answer. Receiving only stores; applying is a job like the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing_worker.domain.notification import (
    MOST_READS_OF_ONE,
    PUT_OFF,
    READ_WINDOW,
    wait_after,
)
from billing_worker.ports.bundle import Ports
from billing_worker.ports.incoming import InboxMessage, InboxStatus
from billing_worker.ports.outside import Listing
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.pace import claim_foreign
from billing_worker.usecases.incoming.applied import Applied
from billing_worker.usecases.incoming.apply_pingback import apply_pingback
from billing_worker.usecases.incoming.apply_webhook import apply_webhook, lock_named
from billing_worker.usecases.incoming.receive import PORTONE


def due(ports: Ports, limit: int) -> Sequence[int]:
    """Claim notifications that wait to be applied. Those without news are closed at once.

    Those about our merchant_uids come first; foreign ones share a small budget of reads.
    """
    with ports.database.transaction() as uow:
        real_now = ports.clock.moment().real
        lease_until = real_now + timedelta(seconds=ports.timing.claim)
        uow.inbox.close_echoes(real_now)
        ids = list(uow.inbox.claim_due(real_now, lease_until, limit, foreign=False))
        ids += claim_foreign(ports, uow, real_now, limit - len(ids))
        uow.commit()
    return ids


def apply(ports: Ports, message_id: int) -> Applied:
    """Read the gateway about one notification and record its answer."""
    begun = _begin(ports, message_id)
    if isinstance(begun, Applied):
        return begun
    reading = _read(ports, begun)
    with ports.database.transaction() as uow:
        message = uow.inbox.lock(message_id)
        if message.status is not InboxStatus.RECEIVED:
            return Applied(message.status, "applied before")
        locked = lock_named(uow, message, reading.listing)
        moment = ports.clock.moment()
        if message.source == PORTONE:
            applied = apply_webhook(ports, uow, message, reading.listing, locked=locked, moment=moment)
        else:
            applied = apply_pingback(uow, message, knows_key=reading.knows_key, moment=moment)
        _write_back(message, applied, begun.deliveries, reading, moment.real)
        uow.inbox.save(message)
        uow.commit()
    return applied


@dataclass(frozen=True, slots=True)
class _Reading:
    """The gateway's answer."""

    listing: Listing
    knows_key: bool | None
    answered: bool


def _begin(ports: Ports, message_id: int) -> InboxMessage | Applied:
    """Note that the gateway is about to be read, so that no other worker reads it for the same notification."""
    with ports.database.transaction() as uow:
        message = uow.inbox.lock(message_id)
        real_now = ports.clock.moment().real
        if message.status is not InboxStatus.RECEIVED:
            return Applied(message.status, "applied before")
        if message.not_before is None or message.not_before <= real_now:
            message.not_before = _put_off(uow, message, real_now)
        waits = message.not_before
        if waits is None:
            message.read_at, message.not_before = real_now, real_now + READ_WINDOW
        else:
            message.next_try_at = waits
        uow.inbox.save(message)
        uow.commit()
    return message if waits is None else Applied(InboxStatus.RECEIVED, f"is looked into at {waits:%F %T} UTC")


def _put_off(uow: UnitOfWork, message: InboxMessage, real_now: datetime) -> datetime | None:
    """How long this one must wait, because too many name the same merchant_uid."""
    if message.source != PORTONE or message.is_foreign:
        return None
    since = real_now - timedelta(minutes=1)
    others = uow.inbox.read_since(message.payload["merchant_uid"], since, other_than=message.id)
    return real_now + PUT_OFF if others >= MOST_READS_OF_ONE else None


def _read(ports: Ports, message: InboxMessage) -> _Reading:
    if message.source == PORTONE:
        listing = ports.gateway.payment(message.payload["imp_uid"])
        return _Reading(listing, None, answered=listing.trouble is None)
    knows_key = ports.gateway.read_key(message.payload["uid"]).known
    return _Reading(Listing(()), knows_key, answered=knows_key is not None)


def _write_back(message: InboxMessage, applied: Applied, seen: int, reading: _Reading, real_now: datetime) -> None:
    message.note = applied.note
    message.subject_id = applied.subject_id or message.subject_id
    message.answer = _said(reading, real_now)
    message.tries, message.failures = (
        (message.tries + 1, 0) if reading.answered else (message.tries, message.failures + 1)
    )
    if message.deliveries > seen:
        # It was delivered again during the read: its cause may be newer than the answer.
        message.next_try_at = message.not_before = (message.read_at or real_now) + READ_WINDOW
        return
    message.status = applied.status
    if applied.status is InboxStatus.RECEIVED and reading.answered and message.tries >= applied.most_tries:
        message.status = InboxStatus.IGNORED
    if message.status is InboxStatus.RECEIVED:
        # While the gateway does not answer, no notification is given up: `tidy` alerts an operator.
        wait = wait_after(message.tries if reading.answered else message.failures)
        message.next_try_at = message.not_before = real_now + wait
    else:
        message.closed_at = real_now


def _said(reading: _Reading, real_now: datetime) -> dict[str, Any]:
    """The gateway's answer, for an operator who looks into the inbox."""
    at = real_now.isoformat(timespec="seconds")
    if reading.knows_key is not None:
        return {"at": at, "knows_key": reading.knows_key}
    evidence = next((evidence for _, evidence in reading.listing.payments), reading.listing.evidence)
    said: dict[str, Any] = {"at": at}
    if reading.listing.trouble is not None:
        said["trouble"] = reading.listing.trouble
    if evidence is not None:
        said |= {"request": evidence.request, "http_status": evidence.http_status, "body": evidence.body}
    return said
