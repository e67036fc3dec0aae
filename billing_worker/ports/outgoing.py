"""Events for the merchant, and the merchant's receiver."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from billing_worker.domain.delivery import Endpoint
from billing_worker.domain.events import PAYLOAD_VERSION, Event
from billing_worker.domain.moment import Moment


@dataclass(frozen=True, slots=True)
class Address:
    """Where events are sent."""

    id: str
    """A digest of the whole URL: a new URL is a new receiver."""
    shown: str
    """The URL without credentials and query."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The receiver did not take an event."""

    trouble: str
    """One line, masked."""
    gone: bool = False
    """The receiver wants no more events, for good (410)."""
    retry_after: timedelta | None = None
    unclear: bool = False
    """No answer came: the receiver may have taken it all the same."""


@dataclass(frozen=True, slots=True)
class Delivering:
    """How events are delivered."""

    disable_after: timedelta = timedelta(days=5)
    """A receiver that takes no event for this long is disabled."""
    keep: timedelta = timedelta(days=90)
    """Events are deleted so long after their delivery or, without a receiver, after they happened."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter for events. None matches any value."""

    subscription_id: str | None = None
    type: str | None = None
    failed: bool = False
    """Given up, or refused at least once and not delivered."""
    given_up: bool = False
    since: datetime | None = None
    """Only events at or after this billing time."""


class EventStatus(StrEnum):
    """The state of an event for the merchant."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(slots=True)
class OutboxMessage:
    """An event for the merchant, written together with the state it is about. All times but the first are real time."""

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
        """Its state."""
        if self.waits:
            return EventStatus.WAITING
        return EventStatus.DELIVERED if self.delivered_at is not None else EventStatus.GIVEN_UP

    @property
    def waits(self) -> bool:
        """Whether it waits for delivery."""
        return self.delivered_at is None and self.abandoned_at is None


class Notifier(Protocol):
    """Sends one event to the merchant."""

    @property
    def address(self) -> Address:
        """The receiver's address."""

    def send(self, message: OutboxMessage, at: datetime) -> Refusal | None:
        """Deliver, signed as of `at` (real time); None when the receiver took it. Never raises for an outside failure.

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
        """Ids of messages to deliver, longest wait first, at most one per stream; leased to the caller."""

    def claim_early(self, real_now: datetime, lease_until: datetime) -> Sequence[str]:
        """At most one refused message that waits for a later time: a probe of the receiver, another each time."""

    def under_way(self, real_now: datetime) -> int:
        """The number of events that are claimed or being sent."""

    def held_back(self, message: OutboxMessage) -> bool:
        """Whether an earlier event of its stream waits. A replayed event holds back only other replayed events."""

    def given_up(self) -> int:
        """The number of events given up and not replayed since."""

    def hasten(self, real_now: datetime) -> int:
        """Make all events that wait for another try due now, as if not tried before; returns their number."""

    def resume(self, real_now: datetime) -> int:
        """Make them due now after an outage of the receiver; returns their number.

        The time at which each is given up stays as it is.
        """

    def replay(self, wanted: EventFilter, real_now: datetime, pause: timedelta, limit: int) -> int:
        """Send matching events again, in order, one each `pause`; returns their number.

        Waiting events stay as they are.
        """

    def forget(self, before: datetime, limit: int) -> int:
        """Delete events delivered before this; returns their number. Events that an audit needs are kept."""

    def let_go(self, before: datetime, real_now: datetime, limit: int) -> int:
        """Forget events that have waited for a receiver since before this (real time); returns how many.

        For a merchant who names no receiver. What an audit needs is kept, and waits no longer.
        """


class Endpoints(Protocol):
    """The health of the merchant's receivers."""

    def find(self, ident: str) -> Endpoint | None:
        """The endpoint as last written."""

    def lock(self, ident: str) -> Endpoint:
        """The endpoint, locked until the end of the transaction. Raises NotFound."""

    def add(self, endpoint: Endpoint) -> bool:
        """Store a new one; False if it is already stored."""

    def save(self, endpoint: Endpoint) -> None:
        """Write the endpoint back."""


class OutgoingRecords(Protocol):
    """The records of events for the merchant in a transaction."""

    @property
    def outbox(self) -> Outbox:
        """Events for the merchant."""

    @property
    def endpoints(self) -> Endpoints:
        """The merchant's receivers."""

    def announce(self, events: Sequence[Event], moment: Moment) -> None:
        """Write events to the outbox: they are delivered if, and only if, this transaction commits."""
