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
    """What the gateway does not show as it is booked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, subject_id: str, real_now: datetime) -> datetime:
        """Doubt this attempt's payment, or key's; returns since when it is doubted (real time)."""
        since: datetime = self._connection.execute(_BEGIN, {"id": subject_id, "real_now": real_now}).scalar_one()
        return since.astimezone(UTC)

    def end(self, subject_id: str) -> bool:
        """It is shown as it is booked; returns whether it was doubted."""
        return self._connection.execute(_END, {"id": subject_id}).first() is not None
