"""One seed from start to end: chaos, healing, verdict."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.timing import Timing
from billing_worker.ports.alerts import Alert
from billing_worker.ports.bundle import Ports
from billing_worker.simulation.fleet.chaos import Chaos
from billing_worker.simulation.fleet.client import VirtualClock, World
from billing_worker.simulation.fleet.fleet import ENVIRONMENT, Fleet
from billing_worker.simulation.fleet.gateway import FaultyGateway
from billing_worker.simulation.fleet.ledger import Ledger, Row
from billing_worker.simulation.fleet.scheduler import Process, Scheduler
from billing_worker.simulation.fleet.swarm import Options
from billing_worker.simulation.judge.docket import Breach, Docket
from billing_worker.simulation.judge.rest import Rest
from billing_worker.simulation.judge.safety import Safety
from billing_worker.simulation.judge.trace import Trace
from billing_worker.simulation.memory.numbered import Numbered
from billing_worker.simulation.memory.store import MemoryTransaction, Store
from billing_worker.simulation.memory.tables import Entry
from billing_worker.simulation.world.market import Market

START = datetime(2025, 11, 30, 15, 0, tzinfo=UTC)
"""Midnight of a first of December in Seoul: the first leap day comes in the third year."""

HEALING = timedelta(hours=14)
"""Longer than any job waits for its next try, and than any payment may be late."""

COMPARED = timedelta(hours=1)
"""So long after all faults have ended, the lists of schedules are compared once more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one seed."""

    options: Options
    trace: str
    breach: Breach | None
    story: list[str] = field(repr=False)
    """The last lines of the trace about the breach."""
    fired: Counter[str]
    steps: int
    commits: int
    requests: int
    payments: int
    periods: int
    deaths: int


@dataclass(frozen=True, slots=True)
class QuietDatabase:
    """The rows without faults, to set up the world."""

    store: Store
    committed: "partial[None]"

    def transaction(self) -> MemoryTransaction:
        """Begin a transaction."""
        return MemoryTransaction(self.store, self.committed)


class Run:
    """The virtual world of one seed."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.scheduler = Scheduler(START)
        self.chaos = Chaos(options.seed, options.faults)
        self.store = Store(Numbered())
        self.ledger = Ledger(self.chaos.roll)
        self.trace = Trace()
        self.commits = 0
        self.world = World(self.scheduler, self.chaos, self.store, self.ledger)
        self.docket = Docket(self.store.rows, self.ledger, self.scheduler)
        self.safety = Safety(self.docket)
        self.fleet = Fleet(options, self.world, self._committed, self._broken)
        self.market = Market(self.fleet, self._quiet_ports())
        self.market.office.on_click = lambda invoice_id: self.safety.charges.clicked.__setitem__(
            invoice_id, self.scheduler.now
        )
        self.world.on_request = self.safety.charges.requested
        self.world.on_refund = self.safety.refunds.requested
        self.ledger.on_paid = self._paid
        self.ledger.on_declined = self._declined
        self.ledger.on_cancelled = self._cancelled
        self.end = START + timedelta(days=round(365.25 * options.years))

    def verdict(self) -> Verdict:
        """Run the whole seed."""
        self.market.populate(START)
        self._plan_deaths()
        self.scheduler.run(self.end)
        self._heal()
        self.scheduler.run(self.end + HEALING)
        if self.docket.breach is None:
            Rest(self.fleet, self.docket, self.market.cards.paymentwall).look()
        breach = self.docket.breach
        return Verdict(
            options=self.options,
            trace=self.trace.digest(),
            breach=breach,
            story=self.trace.about(self._related(breach)) if breach else [],
            fired=self.chaos.fired,
            steps=self.scheduler.steps,
            commits=self.commits,
            requests=self.safety.charges.requests,
            payments=len(self.ledger.rows),
            periods=len(self.store.invoices.rows),
            deaths=sum(process.deaths for process in self.fleet.processes),
        )

    def close(self) -> None:
        """Abandon every task."""
        for process in self.fleet.processes:
            for task in list(process.tasks):
                self.scheduler.kill(task)
        self.scheduler.close()

    def _heal(self) -> None:
        self.chaos.stop()
        self.market.clear_up()
        self.world.database_down_until = self.world.gateway_down_until = self.scheduler.now
        self.fleet.broker.down_until = self.scheduler.now
        for process in self.fleet.processes:
            process.revive()
        self.fleet.look()
        self.scheduler.after(COMPARED, self.market.clerks.compare_last)

    def _plan_deaths(self) -> None:
        days = (self.end - START).days
        for process in self.fleet.processes:
            when = START
            while self.options.deaths_a_year:
                when += timedelta(days=365 / self.options.deaths_a_year * self.chaos.random.expovariate(1))
                if when >= self.end:
                    break
                self.scheduler.at(when, process.die)
        for _ in range(self.options.long_outages):
            when = START + timedelta(days=days * self.chaos.roll())
            down = self.chaos.between(3600, 40 * 86400)
            for process in self.fleet.processes:
                self.scheduler.at(when, partial(self.fleet.die, process, down))

    def _quiet_ports(self) -> Ports:
        return Ports(
            clock=VirtualClock(self.scheduler),
            ids=self.store.ids,
            database=QuietDatabase(
                self.store, partial(self._committed, Process("setup", self.scheduler, self._broken))
            ),
            gateway=FaultyGateway(self.world),
            notifier=None,
            timing=Timing(),
            environment=ENVIRONMENT,
            card_entry=True,
        )

    def _committed(self, process: Process, changes: Sequence[Entry]) -> None:
        self.commits += 1
        told = [process.name]
        for _, _, row in changes:
            status = getattr(row, "status", None)
            told.append(f"{row.id}={status}" if status is not None else str(row.id))
        self.trace.note(self.scheduler.now, " ".join(told))
        self.safety.committed(changes)
        for table, before, row in changes:
            if table.kind == "billing key" and row.status == "invalid" and before.status != "invalid":
                self.market.key_died(row.id)
            elif table.kind == "subscription" and row.status == "unpaid" and before.status != "unpaid":
                self.market.went_unpaid(row.id)
            elif table.kind == "subscription" and row.status == "past_due" and before.status != "past_due":
                self.market.operators.went_past_due(row.id)
            elif table.kind == "alert":
                self._alerted(before, row)

    def _alerted(self, before: Alert | None, alert: Alert) -> None:
        """Let an operator read an alert, and act on it."""
        operators = self.market.operators
        acts: dict[str, Callable[[str], None]] = {
            AlertKind.MISMATCH: operators.alarmed,
            AlertKind.REFUND_STUCK: operators.stuck,
            AlertKind.ISSUING_PAYMENT: operators.asked_of_issue,
            AlertKind.KEY_EMAIL: operators.misspelt,
            AlertKind.CATCH_UP: operators.asked,
        }
        if before is None and alert.kind in acts:
            acts[alert.kind](alert.subject_id)
        elif alert.kind == AlertKind.TAKEN_BACK and alert.closed_at is None:
            # A repeated alert can have new facts.
            operators.taken_back(alert.subject_id)

    def _paid(self, row: Row) -> None:
        self.trace.note(self.scheduler.now, f"gateway {row.merchant_uid} {row.imp_uid} paid {row.cause}")
        self.safety.charges.paid(row)
        self.safety.schedules.paid(row)
        self.market.paid(row)

    def _declined(self, row: Row) -> None:
        self.trace.note(self.scheduler.now, f"gateway {row.merchant_uid} {row.imp_uid} {row.reason}")
        self.safety.charges.declined(row)
        self.market.declined(row)

    def _cancelled(self, row: Row) -> None:
        amount, reason = row.cancellations[-1]
        self.trace.note(self.scheduler.now, f"gateway {row.merchant_uid} {row.imp_uid} gave {amount} back: {reason}")
        self.safety.refunds.cancelled(row)
        self.market.cancelled(row)

    def _broken(self, process: Process, error: Exception) -> None:
        text = f"{process.name} met {type(error).__name__}: {error}"
        self.trace.note(self.scheduler.now, text)
        self.docket.found("unforeseen", text, *str(error).split())

    def _related(self, breach: Breach) -> list[str]:
        """The ids of a breach, with those of the invoice that they belong to."""
        found = dict.fromkeys(breach.about)
        for ident in breach.about:
            attempt = self.store.attempts.rows.get(ident)
            order = self.store.invoices.order_ids.rows.get(ident)
            invoice_id = attempt.invoice_id if attempt else order.invoice_id if order else ident
            if invoice_id in self.store.invoices.rows:
                attempts = self.store.attempts.by_invoice[invoice_id]
                found |= dict.fromkeys([invoice_id, *attempts, *self.docket.orders[invoice_id]])
        return list(found)


def run(options: Options) -> Verdict:
    """Run one seed. The same options give the same verdict."""
    world = Run(options)
    try:
        return world.verdict()
    finally:
        world.close()
