"""Doubts about payments in memory."""

from dataclasses import dataclass, replace
from datetime import datetime

from billing_worker.simulation.memory.tables import Entry, Table


@dataclass(frozen=True, slots=True)
class Doubt:
    """Since when a payment is doubted; None: not any more."""

    id: str
    since: datetime | None
    looked_at: datetime


class MemoryDoubts(Table[Doubt]):
    """What the gateway does not show as it is booked. A row stays when its doubt has ended."""

    kind, entity = "doubt", Doubt

    def __init__(self, journal: list[Entry]) -> None:
        super().__init__(journal)

    def begin(self, subject_id: str, real_now: datetime) -> datetime:
        """Doubt this attempt's payment, or key's; returns since when it is doubted (real time)."""
        known = self.rows.get(subject_id)
        since = known.since if known is not None and known.since is not None else real_now
        doubt = Doubt(subject_id, since, real_now)
        if known is None:
            self.add(doubt)
        else:
            self.save(doubt)
        return since

    def end(self, subject_id: str) -> bool:
        """It is shown as it is booked; returns whether it was doubted."""
        known = self.rows.get(subject_id)
        if known is None or known.since is None:
            return False
        self.save(replace(known, since=None))
        return True

    def holds(self, subject_id: str) -> bool:
        """Whether it is doubted now."""
        known = self.rows.get(subject_id)
        return known is not None and known.since is not None
