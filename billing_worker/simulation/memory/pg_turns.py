"""The turns of PGs in memory."""

from datetime import datetime

from billing_worker.domain.pg_limits import PgTurns
from billing_worker.simulation.memory.tables import Entry, Table


class TurnTable(Table[PgTurns]):
    """The turns of each PG."""

    kind, entity = "turns", PgTurns


class MemoryPgTurns:
    """The free turns of PGs that limit their calls."""

    def __init__(self, journal: list[Entry]) -> None:
        self.table = TurnTable(journal)

    def lock(self, pg_provider: str, real_now: datetime) -> PgTurns:
        """The turns of this PG, free from now on if none are stored."""
        if pg_provider not in self.table.rows:
            self.table.add(PgTurns(pg_provider, real_now, real_now))
        return self.table.get(pg_provider)

    def save(self, turns: PgTurns) -> None:
        """Write the turns back."""
        self.table.save(turns)
