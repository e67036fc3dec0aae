"""Card sessions, as use cases see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from billing_worker.domain.card_session import CardSession


class CardSessions(Protocol):
    """Card sessions."""

    def get(self, session_id: str) -> CardSession:
        """The session. Raises NotFound."""

    def lock(self, session_id: str) -> CardSession:
        """The session, locked until the end of the transaction. Raises NotFound."""

    def add(self, session: CardSession) -> None:
        """Store a new session."""

    def save(self, session: CardSession) -> None:
        """Write the session back."""

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of sessions whose next look is due, oldest first. Postpones their look to `lease_until`."""

    def with_merchant_uid(self, merchant_uid: str) -> CardSession | None:
        """The session whose window has this merchant_uid."""


class CardSessionRecords(Protocol):
    """The records of card sessions in a transaction."""

    @property
    def card_sessions(self) -> CardSessions:
        """Card sessions."""
