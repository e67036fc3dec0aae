"""Events on their way to the merchant, and the merchant's receiver."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from billing_worker.domain.delivery import Endpoint
from billing_worker.domain.events import PAYLOAD_VERSION, Event


@dataclass(frozen=True, slots=True)
class Address:
    """Where events are sent."""

    id: str
    """A digest of the whole URL: another URL is another receiver."""
    shown: str
    """Without credentials and query."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event was not taken."""

    trouble: str
    """One line, masked."""
    gone: bool = False
    """The receiver wants no more events, for good (410)."""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Delivering:
    """How events are delivered."""

    disable_after: timedelta = timedelta(days=5)
    """A receiver that took nothing for so long is disabled."""
    keep: timedelta = timedelta(days=90)
    """Delivered events are forgotten after this."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events an operator asks for; None asks for any."""

    subscription_id: str | None = None
    type: str | None = None
    failed: bool = False
    """Given up, or refused at least once and not delivered."""
    given_up: bool = False
    since: datetime | None = None
    """Billing time at which they happened."""


class EventStatus(StrEnum):
    """Where an event for the merchant stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(slots=True)
class OutboxMessage:
    """An event for the merchant, written together with the state it tells of. All times but the first are real time."""

    id: str
    event: Event
    occurred_at: datetime
    """Billing time."""
    next_try_at: datetime
    tries: int
    delivered_at: datetime | None
    note: str | None
    stream_sequence: int = 0
    """Its place in its stream, from 1 on, without gaps."""
    version: int = PAYLOAD_VERSION
    first_tried_at: datetime | None = None
    abandoned_at: datetime | None = None
    lease_until: datetime | None = None
    sending_until: datetime | None = None
    fence: int = 0
    replays: int = 0

    @property
    def status(self) -> EventStatus:
        """Where it stands."""
        if self.waits:
            return EventStatus.WAITING
        return EventStatus.DELIVERED if self.delivered_at is not None else EventStatus.GIVEN_UP

    @property
    def waits(self) -> bool:
        """Whether it is still to be delivered."""
        return self.delivered_at is None and self.abandoned_at is None


class Notifier(Protocol):
    """Sends one event to the merchant."""

    @property
    def address(self) -> Address:
        """Whom it sends to."""

    def send(self, message: OutboxMessage, at: datetime) -> Refusal | None:
        """Deliver, signed as of `at` (real time); None when the receiver took it. Never raises for the outside.

        Ends within `delivery.SENDING`, whatever the receiver does.
        """


class Outbox(Protocol):
    """Events for the merchant. Within a stream they are delivered one after the other."""

    def get(self, message_id: str) -> OutboxMessage:
        """The message. Raises NotFound."""

    def lock(self, message_id: str) -> OutboxMessage:
        """The message, locked until the end of the transaction. Raises NotFound."""

    def save(self, message: OutboxMessage) -> None:
        """Write the message back."""

    def latest(self, limit: int) -> Sequence[OutboxMessage]:
        """The newest events, newest first."""

    def of_stream(self, ident: str, limit: int) -> Sequence[OutboxMessage]:
        """Events of one subscription with all that belongs to it, or of one key, newest first."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of messages to deliver, those first that wait longest, at most one a stream; leased to the caller."""

    def under_way(self, real_now: datetime) -> int:
        """How many are claimed or being sent."""

    def held_back(self, message: OutboxMessage) -> bool:
        """Whether an earlier one of its stream waits; what is replayed holds back only what is replayed too."""

    def given_up(self) -> int:
        """How many were given up and not replayed since."""

    def hasten(self, real_now: datetime) -> int:
        """Let all that wait for another try be due now, as if they had not been tried; returns how many."""

    def replay(self, wanted: EventFilter, real_now: datetime, pause: timedelta, limit: int) -> int:
        """Send what fits once more, in order, one each `pause`; returns how many. What waits is left alone."""

    def forget(self, before: datetime, limit: int) -> int:
        """Delete events that were delivered before this; returns how many. What an audit needs is kept."""

    def let_go(self, before: datetime, real_now: datetime, limit: int) -> int:
        """Forget events that have waited for a receiver since before this (real time); returns how many.

        For a merchant who names no receiver. What an audit needs is kept, and waits no longer.
        """


class Endpoints(Protocol):
    """What is known of the merchant's receivers."""

    def find(self, ident: str) -> Endpoint | None:
        """The endpoint, as it was last written."""

    def lock(self, ident: str) -> Endpoint:
        """The endpoint, locked until the end of the transaction. Raises NotFound."""

    def add(self, endpoint: Endpoint) -> bool:
        """Store a new one; False where it is known."""

    def save(self, endpoint: Endpoint) -> None:
        """Write the endpoint back."""


class OutgoingRecords(Protocol):
    """What a transaction offers about events for the merchant."""

    @property
    def outbox(self) -> Outbox:
        """Events for the merchant."""

    @property
    def endpoints(self) -> Endpoints:
        """The merchant's receivers."""

    def announce(self, events: Sequence[Event], now: datetime, real_now: datetime) -> None:
        """Write events to the outbox: they are delivered if, and only if, this transaction commits."""
