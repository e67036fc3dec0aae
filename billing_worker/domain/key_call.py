"""One call that stores or deletes a billing key at the gateway, from its intent to its known result.

The intent is committed before the first byte is sent. A missing or unclear answer leaves the call open, and only reads
of the key end it. Nothing of a card is part of it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing_worker.domain.errors import InvalidTransition

LONGEST_REASON = 80
LONGEST_REQUESTER = 40
"""Characters of what PortOne is told about a deletion. It documents no limit."""


class CallKind(StrEnum):
    """What the gateway is asked for."""

    ISSUE = "issue"
    """Store a card as a key."""
    DELETE = "delete"
    """Delete a key."""


class CallStatus(StrEnum):
    """What is known about the call."""

    OPEN = "open"
    """It may be under way, or its result is unclear: the gateway is read until it is known."""
    DONE = "done"
    """The gateway did it, and said so or shows it."""
    REFUSED = "refused"
    """The gateway did not do it, and said so; or the call never left."""
    ABSENT = "absent"
    """Only for an issue: reads a settle window apart showed no such key."""
    TAKEN = "taken"
    """Only for an issue: the gateway had a key under this customer_uid before, so nothing was sent."""


NEVER_STORED = frozenset({CallStatus.REFUSED, CallStatus.ABSENT, CallStatus.TAKEN})
"""How an issue ends whose key must not be charged."""


@dataclass(slots=True)
class KeyCall:
    """One call about one key. Its times are real time, but for `created_at`."""

    id: str
    key_id: str
    kind: CallKind
    status: CallStatus
    created_at: datetime
    lease_until: datetime
    """Until then the process that wrote it down may be calling; no other process decides."""
    next_step_at: datetime | None
    reason: str | None = None
    """Why the key is deleted; the gateway is told."""
    requester: str | None = None
    """Who asked for the deletion: Naver Pay wants it."""
    replaces: str | None = None
    """The key whose subscriptions are charged to the new one from now on."""
    deletes_replaced: bool = False
    """Whether the replaced key is deleted then."""
    sent: bool = False
    """Whether the call may have reached the gateway. Before that, no read of the gateway says anything about it."""
    looks: int = 0
    absent_since: datetime | None = None
    """When a read first showed no such key."""
    note: str | None = None
    """What the gateway said last."""
    evidence_id: int | None = None
    closed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether its result is still to be found out."""
        return self.status is CallStatus.OPEN

    def end(self, status: CallStatus, real_now: datetime, note: str | None = None) -> None:
        """Note the result. Raises InvalidTransition for a call that has one."""
        if not self.is_open or status is CallStatus.OPEN:
            raise InvalidTransition("call about a key", self.id, self.status, status)
        self.status, self.closed_at, self.next_step_at = status, real_now, None
        self.note = note or self.note

    def look_again(self, at: datetime) -> None:
        """Take the next step at this real time."""
        self.next_step_at = at
        self.looks += 1

    def shows_nothing(self, began_at: datetime, window: timedelta) -> bool:
        """Note a read that found no such key; whether absence is proven now.

        `began_at` is the real time before the read. Two such reads must lie a settle window apart: a gateway may store
        a card long after its client has gone.
        """
        if self.absent_since is None:
            self.absent_since = began_at
            return False
        return began_at - self.absent_since >= window
