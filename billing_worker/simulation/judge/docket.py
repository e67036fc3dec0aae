"""The data for every rule of the judge, and the first breach."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from billing_worker.simulation.fleet.ledger import Ledger, Row
from billing_worker.simulation.fleet.scheduler import Scheduler
from billing_worker.simulation.memory.rows import Rows

IN_DOUBT = ("in_flight", "unknown")


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken invariant."""

    invariant: str
    text: str
    when: datetime
    about: tuple[str, ...]
    """Ids to look for in the trace."""


class Docket:
    """The rows as data, the gateway's ledger, and the time; `breach` is the first one found."""

    def __init__(self, rows: Rows, ledger: Ledger, scheduler: Scheduler) -> None:
        self.breach: Breach | None = None
        self.rows = rows
        self.ledger = ledger
        self.orders: defaultdict[str, list[str]] = defaultdict(list)
        """The merchant_uids of each invoice."""
        self._scheduler = scheduler

    @property
    def now(self) -> datetime:
        """Virtual time."""
        return self._scheduler.now

    def found(self, invariant: str, text: str, *about: str) -> None:
        """Note a breach; the first one counts."""
        if self.breach is None:
            self.breach = Breach(invariant, text, self.now, about)
            self._scheduler.halted = True

    def payments(self, invoice_id: str) -> list[Row]:
        """All payments at the gateway under any order of this invoice."""
        return [row for uid in self.orders[invoice_id] for row in self.ledger.orders[uid]]
