"""Card sessions in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.card_sessions import card_sessions
from billing_worker.domain.card_session import CardSession

_CLAIM = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM card_sessions WHERE next_look_at <= :real_now
        ORDER BY next_look_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE card_sessions SET next_look_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")


class SqlCardSessions(Repository[CardSession]):
    """Card sessions."""

    table = card_sessions
    kind = "card session"
    hydrate = staticmethod(rows.to_card_session)

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of sessions whose next look is due, oldest first. Postpones their look to `lease_until`."""
        wanted: dict[str, Any] = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM, wanted).scalars())

    def with_merchant_uid(self, merchant_uid: str) -> CardSession | None:
        """The session whose window has this merchant_uid."""
        found = self._many(select(card_sessions).where(card_sessions.c.merchant_uid == merchant_uid))
        return found[0] if found else None
