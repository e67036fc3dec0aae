"""Doubts about payments in memory."""

from dataclasses import dataclass, replace
from datetime import datetime

from billing_worker.simulation.memory.tables import Entry, Table


@dataclass(frozen=True, slots=True)
class Doubt:
    """Since when a payment is in doubt; None when the doubt has ended."""

    id: str
    since: datetime | None
    looked_at: datetime


class MemoryDoubts(Table[Doubt]):
    """Payments that the gateway shows differently or not at all. A row stays after its doubt has ended."""

    kind, entity = "doubt", Doubt

    def __init__(self, journal: list[Entry]) -> None:
        super().__init__(journal)

    def begin(self, subject_id: str, real_now: datetime) -> datetime:
        """Begin to doubt the payment of this attempt or key; returns since when it is in doubt (real time)."""
        known = self.rows.get(subject_id)
        since = known.since if known is not None and known.since is not None else real_now
        doubt = Doubt(subject_id, since, real_now)
        if known is None:
            self.add(doubt)
        else:
            self.save(doubt)
        return since

    def end(self, subject_id: str) -> bool:
        """End the doubt: the gateway shows the payment as booked. Returns whether it was in doubt."""
        known = self.rows.get(subject_id)
        if known is None or known.since is None:
            return False
        self.save(replace(known, since=None))
        return True

    def holds(self, subject_id: str) -> bool:
        """Whether the payment is in doubt now."""
        known = self.rows.get(subject_id)
        return known is not None and known.since is not None
