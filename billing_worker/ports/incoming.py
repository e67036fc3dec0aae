"""Notifications from outside: received, waiting to be applied, or kept for an operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Echo(StrEnum):
    """What a webhook's `paid` adds to our books."""

    RECORDED = "recorded"
    """Nothing: an attempt is already approved with this payment."""
    IN_FLIGHT = "in_flight"
    """Probably nothing: the charge is under way, and its answer will say the same."""
    NONE = "none"
    """Possibly something: the gateway must be read."""


class InboxStatus(StrEnum):
    """The state of a received notification."""

    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A webhook or pingback to store."""

    source: str
    dedupe_key: str
    """Equal for a repeated delivery."""
    payload: dict[str, str]
    status: InboxStatus
    next_try_at: datetime


@dataclass(slots=True)
class InboxMessage:
    """A webhook or pingback as received, kept until the gateway confirms or denies it."""

    id: int
    source: str
    dedupe_key: str
    payload: dict[str, str]
    status: InboxStatus
    received_at: datetime
    next_try_at: datetime
    """When a scan returns it next; while it is leased, when the lease ends."""
    tries: int
    """Answered reads of the gateway since its last delivery."""
    deliveries: int
    note: str | None
    is_foreign: bool = False
    """A webhook whose merchant_uid was never ours: read after the others, within a small budget."""
    not_before: datetime | None = None
    """No worker reads the gateway about it before this."""
    read_at: datetime | None = None
    """When the gateway was last asked about it."""
    failures: int = 0
    """Unanswered reads in a row."""
    last_received_at: datetime | None = None
    """The last repeated delivery."""
    waiting_since: datetime | None = None
    """Since when it waits to be applied, if not since its first delivery."""
    closed_at: datetime | None = None
    subject_id: str | None = None
    """The invoice or key that it is about."""
    answer: dict[str, Any] | None = None
    """The gateway's last answer: request, http_status, body (masked, size-capped), at."""

    @property
    def waits_since(self) -> datetime:
        """Since when it waits to be applied."""
        return self.waiting_since or self.received_at


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of storing a notification."""

    id: int
    is_foreign: bool
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class Sought:
    """A filter for notifications. None matches any value."""

    status: InboxStatus | None = None
    source: str | None = None
    foreign: bool | None = None
    since: datetime | None = None
    """Only those first delivered at or after this."""
    waits_since: datetime | None = None
    """Only those that wait since then or longer."""
    stuck_at: datetime | None = None
    """Only those that are stuck at this moment."""


class Inbox(Protocol):
    """Notifications received. All times are real time."""

    def add_arrivals(self, arrivals: Sequence[Arrival], real_now: datetime) -> Sequence[Stored]:
        """Store them, as if one by one. A repeated one is counted, and takes this status."""

    def close_echoes(self, real_now: datetime) -> int:
        """Close waiting webhooks about payments recorded as paid, but not those that an operator reopened.

        Returns their number.
        """

    def get(self, message_id: int) -> InboxMessage:
        """The message. Raises NotFound."""

    def lock(self, message_id: int) -> InboxMessage:
        """The message, locked until the end of the transaction. Raises NotFound."""

    def save(self, message: InboxMessage) -> None:
        """Write the message back."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int, *, foreign: bool) -> Sequence[int]:
        """Ids of (foreign) messages that wait to be applied, oldest first. Postpones them to `lease_until`."""

    def foreign_waits(self, real_now: datetime) -> bool:
        """Whether a foreign notification waits to be applied."""

    def read_since(self, merchant_uid: str, since: datetime, *, other_than: int) -> int:
        """The number of other notifications with this merchant_uid about which the gateway was read since then."""

    def list(self, sought: Sought, limit: int) -> Sequence[InboxMessage]:
        """Notifications, newest first."""

    def count(self, sought: Sought) -> int:
        """The number of notifications."""

    def lock_some(self, sought: Sought, after: int, limit: int) -> Sequence[InboxMessage]:
        """Notifications with a higher id than `after`, by id, locked until the end of the transaction."""

    def let_go_foreign(self, before: datetime, real_now: datetime, note: str, limit: int) -> int:
        """Ignore foreign notifications that have waited since `before` or longer; returns their number."""

    def forget(self, before: datetime, limit: int) -> int:
        """Delete applied and ignored ones that were received, and closed, before this; returns their number."""


class IncomingRecords(Protocol):
    """The records of notifications in a transaction."""

    @property
    def inbox(self) -> Inbox:
        """Notifications received."""
