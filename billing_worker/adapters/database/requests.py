"""Kept answers in PostgreSQL."""

from datetime import datetime

from sqlalchemy import Connection, func, insert, select, text

from billing_worker.adapters.database import repository
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.tables.access import kept_answers
from billing_worker.ports.requests import KeptAnswer

# Few rows are deleted: those of one minute a month ago.
_FORGET = text("""
    WITH chosen AS MATERIALIZED (
        SELECT key FROM kept_answers WHERE created_at < :before
        ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    DELETE FROM kept_answers WHERE key IN (SELECT key FROM chosen)
""")


class SqlKeptAnswers:
    """Answers by their key."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, key: str) -> bool:
        """Claim the key until the end of the transaction; False if another transaction has it. Never waits.

        Two keys with equal 32-bit hashes block each other, which is harmless.
        """
        lock = func.pg_try_advisory_xact_lock(AdvisoryLock.ANSWERING.value, func.hashtext(key))
        return bool(self._connection.execute(select(lock)).scalar_one())

    def find(self, key: str) -> KeptAnswer | None:
        """The answer kept under this key."""
        row = self._connection.execute(select(kept_answers).where(kept_answers.c.key == key)).mappings().one_or_none()
        return None if row is None else KeptAnswer(**row)

    def add(self, answer: KeptAnswer) -> None:
        """Keep an answer."""
        self._connection.execute(insert(kept_answers), repository.plain(answer))

    def forget(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` answers from before this moment; returns their number."""
        return self._connection.execute(_FORGET, {"before": before, "limit": limit}).rowcount
