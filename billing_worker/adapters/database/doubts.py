"""Doubts about payments in PostgreSQL."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

_BEGIN = text("""
    INSERT INTO doubts (id, since, looked_at) VALUES (:id, :real_now, :real_now)
    ON CONFLICT (id) DO UPDATE SET looked_at = excluded.looked_at
    RETURNING since
""")

_END = text("DELETE FROM doubts WHERE id = :id RETURNING id")


class SqlDoubts:
    """Payments that the gateway shows differently or not at all."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, subject_id: str, real_now: datetime) -> datetime:
        """Begin to doubt the payment of this attempt or key; returns since when it is in doubt (real time)."""
        since: datetime = self._connection.execute(_BEGIN, {"id": subject_id, "real_now": real_now}).scalar_one()
        return since.astimezone(UTC)

    def end(self, subject_id: str) -> bool:
        """End the doubt: the gateway shows the payment as booked. Returns whether it was in doubt."""
        return self._connection.execute(_END, {"id": subject_id}).first() is not None
