"""Look into notifications again.

A replay moves no money by itself: a worker reads the gateway once more, and records its answer through the same door as
always. A second replay reads again and changes nothing.
"""

from dataclasses import replace
from datetime import datetime

from billing_worker.domain.action import Verb
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.notification import READ_WINDOW
from billing_worker.ports.bundle import Ports
from billing_worker.ports.incoming import InboxMessage, InboxStatus, Sought
from billing_worker.usecases.access.actions import note

SOURCES = ("portone", "paymentwall")
MOST_MESSAGES = 1_000
"""Entries reopened in one transaction: receivers wait for their locks."""


def count_sought(ports: Ports, sought: Sought) -> int:
    """The number of matching notifications."""
    with ports.database.transaction() as uow:
        return uow.inbox.count(sought)


def look_again(ports: Ports, message_id: int) -> InboxMessage:
    """Look into one again, in any state. Raises NotFound."""
    with ports.database.transaction() as uow:
        message = uow.inbox.lock(message_id)
        real_now = ports.clock.moment().real
        _open_again(message, real_now)
        uow.inbox.save(message)
        note(ports, uow, Verb.NOTIFICATION_REPLAYED, f"notification:{message.id}", at=real_now)
        uow.commit()
    return message


def look_again_at_all(ports: Ports, sought: Sought) -> int:
    """Look into all of them again, one batch per transaction; returns their number."""
    done, after = 0, 0
    while True:
        with ports.database.transaction() as uow:
            batch = uow.inbox.lock_some(sought, after, MOST_MESSAGES)
            real_now = ports.clock.moment().real
            for message in batch:
                _open_again(message, real_now)
                uow.inbox.save(message)
            if batch:
                note(ports, uow, Verb.NOTIFICATIONS_REPLAYED, "inbox", f"{len(batch)} notifications", at=real_now)
            uow.commit()
        done += len(batch)
        if len(batch) < MOST_MESSAGES:
            return done
        after = batch[-1].id


def seek(
    ports: Ports,
    *,
    status: str | None = None,
    source: str | None = None,
    foreign: bool | None = None,
    since: datetime | None = None,
    stuck: bool = False,
) -> Sought:
    """The filter from a caller's words. Raises InvalidInput."""
    if status is not None and status not in set(InboxStatus):
        raise InvalidInput("status", status, f"must be one of {', '.join(InboxStatus)}")
    if source is not None and source not in SOURCES:
        raise InvalidInput("source", source, f"must be one of {', '.join(SOURCES)}")
    sought = Sought(InboxStatus(status) if status else None, source, foreign, since)
    return replace(sought, stuck_at=ports.clock.moment().real) if stuck else sought


def _open_again(message: InboxMessage, real_now: datetime) -> None:
    """Reopen it as if just received, without counting a delivery."""
    if message.status is not InboxStatus.RECEIVED:
        message.waiting_since = real_now
    message.status, message.closed_at = InboxStatus.RECEIVED, None
    message.tries = message.failures = 0
    not_before = real_now if message.read_at is None else max(real_now, message.read_at + READ_WINDOW)
    message.not_before = message.next_try_at = not_before
