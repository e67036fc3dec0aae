"""The data for every rule of the judge, and the first breach."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.schedule import Schedule
from billing_worker.simulation.fleet.ledger import Ledger, Row
from billing_worker.simulation.fleet.scheduler import Scheduler
from billing_worker.simulation.memory.rows import Rows

IN_DOUBT = ("in_flight", "unknown")
RENEWING = ("pending", "trialing", "active", "past_due")

Finding = tuple[str, str, tuple[str, ...]]
"""An invariant, its breach, and the ids to look for in the trace."""


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

    def scheduled(self, merchant_uid: str) -> Schedule | None:
        """Our schedule with this number."""
        return next((row for row in self.rows.schedules.rows.values() if row.merchant_uid == merchant_uid), None)

    def is_paid_early(self, merchant_uid: str) -> bool:
        """Whether it is the number of a schedule whose period has not begun, and will."""
        own = self.scheduled(merchant_uid)
        if own is None:
            return False
        subscription = self.rows.subscriptions.rows[own.subscription_id]
        renews = subscription.status in RENEWING and not subscription.cancel_at_period_end
        return renews and own.period_index >= subscription.next_period_index

    def payments(self, invoice_id: str) -> list[Row]:
        """All payments at the gateway under any order of this invoice."""
        return [row for uid in self.orders[invoice_id] for row in self.ledger.orders[uid]]
