"""The turns of PGs in PostgreSQL."""

from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.control import pg_turns
from billing_worker.domain.pg_limits import PgTurns


class _Turns(Repository[PgTurns]):
    table = pg_turns
    kind = "turns"
    hydrate = staticmethod(rows.to_pg_turns)


class SqlPgTurns:
    """The free turns of PGs that limit their calls."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turns = _Turns(connection)

    def lock(self, pg_provider: str, real_now: datetime) -> PgTurns:
        """The turns of this PG, free from now on if none are stored; locked until the end of the transaction."""
        new = {"id": pg_provider, "next_call_at": real_now, "next_look_at": real_now}
        self._connection.execute(insert(pg_turns).on_conflict_do_nothing(), new)
        return self._turns.lock(pg_provider)

    def save(self, turns: PgTurns) -> None:
        """Write the turns back."""
        self._turns.save(turns)
