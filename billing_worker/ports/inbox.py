"""The inbox, as the use cases see it: what was received, what is still to be applied, and what is kept for people."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from billing_worker.ports.records import Arrival, InboxMessage, Sought, Stored


class Inbox(Protocol):
    """Notifications received. All times are real time."""

    def add_all(self, arrivals: Sequence[Arrival], real_now: datetime) -> Sequence[Stored]:
        """Store them as if one after the other; the same one again counts, and takes this status."""

    def close_echoes(self, real_now: datetime) -> int:
        """Close waiting webhooks that call paid what is recorded as paid, but not those that a person opened again.

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
