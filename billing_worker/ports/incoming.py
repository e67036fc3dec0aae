"""Notifications from outside: what was received, what is still to be applied, and what is kept for an operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Echo(StrEnum):
    """What a webhook's `paid` adds to what is known."""

    RECORDED = "recorded"
    """Nothing: an attempt is approved with this very payment."""
    IN_FLIGHT = "in_flight"
    """Probably nothing: the charge is under way, and its answer will say the same."""
    NONE = "none"
    """Something: the gateway must be read."""


class InboxStatus(StrEnum):
    """Where a received notification stands."""

    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A webhook or pingback that is to be stored."""

    source: str
    dedupe_key: str
    """Equal for a repeated delivery."""
    payload: dict[str, str]
    status: InboxStatus
    next_try_at: datetime


@dataclass(slots=True)
class InboxMessage:
    """A webhook or pingback as it came, kept until the gateway confirmed or denied what it hints at."""

    id: int
    source: str
    dedupe_key: str
    payload: dict[str, str]
    status: InboxStatus
    received_at: datetime
    next_try_at: datetime
    """When a scan hands it out; while it is handed out, when it is offered again."""
    tries: int
    """Reads of the gateway that were answered, since it came last."""
    deliveries: int
    note: str | None
    is_foreign: bool = False
    """A webhook whose merchant_uid was never ours: read after the others, out of a small budget."""
    not_before: datetime | None = None
    """The gateway is not read about it before this, by whomever."""
    read_at: datetime | None = None
    """When the gateway was asked last."""
    failures: int = 0
    """Reads in a row that were not answered."""
    last_received_at: datetime | None = None
    """The last delivery but the first."""
    waiting_since: datetime | None = None
    """Since when it is to be applied, where that is not since its first delivery."""
    closed_at: datetime | None = None
    subject_id: str | None = None
    """The invoice or key that it led to."""
    answer: dict[str, Any] | None = None
    """What the gateway said last: request, http_status, body (masked, size-capped), at."""

    @property
    def waits_since(self) -> datetime:
        """Since when it is to be applied."""
        return self.waiting_since or self.received_at


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a notification when it was stored."""

    id: int
    is_foreign: bool
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class Sought:
    """Which notifications to look for; what is None does not matter."""

    status: InboxStatus | None = None
    source: str | None = None
    foreign: bool | None = None
    since: datetime | None = None
    """Delivered first at or after this."""
    waits_since: datetime | None = None
    """Only those that wait since then or longer."""
    stuck_at: datetime | None = None
    """Only those that are stuck at this moment."""


class Inbox(Protocol):
    """Notifications received. All times are real time."""

    def add_all(self, arrivals: Sequence[Arrival], real_now: datetime) -> Sequence[Stored]:
        """Store them as if one after the other; the same one again counts, and takes this status."""

    def close_echoes(self, real_now: datetime) -> int:
        """Close waiting webhooks that call paid what is recorded as paid, but not those that an operator opened again.

        Returns how many.
        """

    def get(self, message_id: int) -> InboxMessage:
        """The message. Raises NotFound."""

    def lock(self, message_id: int) -> InboxMessage:
        """The message, locked until the end of the transaction. Raises NotFound."""

    def save(self, message: InboxMessage) -> None:
        """Write the message back."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int, *, foreign: bool) -> Sequence[int]:
        """Ids of (foreign) messages that are still to be applied, oldest first; put off to `lease_until`."""

    def foreign_waits(self, real_now: datetime) -> bool:
        """Whether a foreign notification is to be applied."""

    def read_since(self, merchant_uid: str, since: datetime, *, other_than: int) -> int:
        """About how many other notifications that name this merchant_uid the gateway was read since then."""

    def list(self, sought: Sought, limit: int) -> Sequence[InboxMessage]:
        """Notifications, newest first."""

    def count(self, sought: Sought) -> int:
        """How many there are."""

    def lock_some(self, sought: Sought, after: int, limit: int) -> Sequence[InboxMessage]:
        """Notifications with a higher id than `after`, in their order, locked until the end of the transaction."""

    def let_go_foreign(self, before: datetime, real_now: datetime, note: str, limit: int) -> int:
        """Ignore foreign notifications that wait since `before` or longer; returns how many."""

    def forget(self, before: datetime, limit: int) -> int:
        """Delete applied and ignored ones that came, and were closed, before this; returns how many."""


class IncomingRecords(Protocol):
    """What a transaction offers about notifications."""

    @property
    def inbox(self) -> Inbox:
        """Notifications received."""
