"""The database in memory, behind the port: all tables, one transaction at a time."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from types import TracebackType
from typing import Any, Self

from billing_worker.domain.events import Event
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Evidence
from billing_worker.domain.settlement import LockedInvoice, Settlement
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.outside import Ids
from billing_worker.simulation.memory.actions import MemoryActions
from billing_worker.simulation.memory.alerts import MemoryAlerts
from billing_worker.simulation.memory.attempts import MemoryAttempts
from billing_worker.simulation.memory.catch_up import MemoryCatchUp
from billing_worker.simulation.memory.doubts import MemoryDoubts
from billing_worker.simulation.memory.inbox import MemoryInbox
from billing_worker.simulation.memory.invoices import MemoryInvoices
from billing_worker.simulation.memory.outbox import MemoryEndpoints, MemoryOutbox
from billing_worker.simulation.memory.pingbacks import MemoryPingbacks
from billing_worker.simulation.memory.refunds import MemoryRefunds
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.stops import MemoryEnvironment, MemorySpending, MemoryStops
from billing_worker.simulation.memory.subscriptions import MemoryKeys, MemoryPlans, MemorySubscriptions
from billing_worker.simulation.memory.tables import DueIndex, Entry
from billing_worker.simulation.memory.unserved import Unserved, UnservedSubject


class Numbered:
    """Names in the order of their use: the same run has the same names."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, prefix: str) -> str:
        """The prefix, `_`, and sixteen digits."""
        return f"{prefix}_{next(self._numbers):016d}"


class Store:
    """All rows. No other task reads or writes between the begin and the commit of a transaction."""

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self.journal: list[Entry] = []
        """Changes of the open transaction, oldest first."""
        self.busy = False
        """Whether a transaction is open: there is at most one."""
        self.evidence: list[Evidence] = []
        self.rows = rows = Rows()
        rows.plans = self.plans = MemoryPlans(self.journal)
        rows.keys = self.keys = MemoryKeys(self.journal, rows)
        rows.subscriptions = self.subscriptions = MemorySubscriptions(self.journal, rows)
        rows.invoices = self.invoices = MemoryInvoices(self.journal, rows)
        rows.attempts = self.attempts = MemoryAttempts(self.journal, rows)
        rows.refunds = self.refunds = MemoryRefunds(self.journal, rows)
        rows.pingbacks = self.pingbacks = MemoryPingbacks(self.journal)
        rows.stops = self.stops = MemoryStops(self.journal, rows)
        rows.doubts = self.doubts = MemoryDoubts(self.journal)
        self.inbox = MemoryInbox(self.journal, rows)
        self.outbox = MemoryOutbox(self.journal)
        self.endpoints = MemoryEndpoints(self.journal)
        self.alerts = MemoryAlerts(self.journal)
        self.environment = MemoryEnvironment(self.journal, rows)
        self.spending = MemorySpending(rows)
        self.catch_up = MemoryCatchUp(self.journal, rows, self.alerts.table)
        self.actions = MemoryActions(self.journal)

    def scans(self) -> dict[str, DueIndex]:
        """The work of each scan, by the name of its job."""
        return {
            "renew": self.subscriptions.renewals,
            "collect": self.invoices.due,
            "reconcile": self.attempts.looks,
            "refund": self.refunds.steps,
            "apply": self.inbox.due,
            "confirm": self.keys.looks,
            "deliver": self.outbox.due,
        }

    def roll_back(self) -> None:
        """Undo the changes of the open transaction."""
        while self.journal:
            table, before, after = self.journal.pop()
            table.undo(before, after)


Committed = Callable[[Sequence[Entry]], None]


class MemoryTransaction:
    """One transaction. Without `commit`, its changes are undone."""

    __slots__ = (
        "_committed",
        "_open",
        "_store",
        "actions",
        "alerts",
        "attempts",
        "catch_up",
        "doubts",
        "endpoints",
        "environment",
        "inbox",
        "invoices",
        "keys",
        "outbox",
        "pingbacks",
        "plans",
        "refunds",
        "spending",
        "stops",
        "subscriptions",
    )

    def __init__(self, store: Store, committed: Committed) -> None:
        self._store = store
        self._committed = committed
        self._open = True
        self.plans = store.plans
        self.keys = store.keys
        self.subscriptions = store.subscriptions
        self.invoices = store.invoices
        self.attempts = store.attempts
        self.refunds = store.refunds
        self.inbox = store.inbox
        self.outbox = store.outbox
        self.endpoints = store.endpoints
        self.alerts = store.alerts
        self.catch_up = store.catch_up
        self.stops = store.stops
        self.environment = store.environment
        self.doubts = store.doubts
        self.spending = store.spending
        self.pingbacks = store.pingbacks
        self.actions = store.actions

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self._end()

    def lock_due(self, invoice_id: str) -> DueInvoice:
        """An invoice with its subscription, key and plan. Raises NotFound."""
        store = self._store
        invoice = store.invoices.get(invoice_id)
        subscription = store.subscriptions.get(invoice.subscription_id)
        key = store.keys.get(invoice.billing_key_id)
        held = store.stops.holding(subscription.id, key.pg_provider)
        return DueInvoice(
            subscription=subscription,
            invoice=invoice,
            key=key,
            plan=store.plans.get(subscription.plan_id),
            has_open_attempt=invoice_id in store.attempts.open_of,
            stop=held[0].id if held else None,
            elsewhere=store.environment.elsewhere(),
            last_paid=store.invoices.last_paid(subscription.id, invoice.money.currency),
        )

    def lock_settlement(self, attempt_id: str) -> Settlement:
        """An attempt with all records that its outcome can change. Raises NotFound."""
        locked = self.lock_invoice(self._store.attempts.get(attempt_id).invoice_id)
        return locked.about(next(attempt for attempt in locked.attempts if attempt.id == attempt_id))

    def lock_invoice(self, invoice_id: str) -> LockedInvoice:
        """An invoice with all records that an outcome can change. Raises NotFound."""
        store = self._store
        invoice = store.invoices.get(invoice_id)
        attempts = list(store.attempts.of_invoice(invoice_id))
        used = {attempt.billing_key_id for attempt in attempts} or {invoice.billing_key_id}
        subscription = store.subscriptions.get(invoice.subscription_id)
        return LockedInvoice(
            subscription=subscription,
            invoice=invoice,
            plan=store.plans.rows[subscription.plan_id],
            keys={key_id: store.keys.get(key_id) for key_id in used},
            attempts=attempts,
        )

    def save_settlement(self, settlement: Settlement, moment: Moment) -> None:
        """Write back all records of a settlement, and its events to the outbox."""
        self.invoices.save(settlement.invoice)
        self.attempts.save(settlement.attempt)
        self.subscriptions.save(settlement.subscription)
        for key in settlement.keys.values():
            self.keys.save(key)
        self.announce(settlement.events, moment)
        settlement.events.clear()

    def announce(self, events: Sequence[Event], moment: Moment) -> None:
        """Write events to the outbox."""
        for event in sorted(events, key=lambda each: each.stream_id):
            self.outbox.announce(self._store.ids.new("evt"), event, moment)

    def keep_evidence(self, attempt_id: str | None, evidence: Evidence, real_now: datetime) -> int:  # noqa: ARG002 - its attempt is never read
        """Store the gateway's answer, even if the transaction is undone. Returns the evidence's id."""
        self._store.evidence.append(evidence)
        return len(self._store.evidence)

    def commit(self) -> None:
        """Keep all changes."""
        changes = tuple(self._store.journal)
        self._store.journal.clear()
        self._end()
        if changes:
            self._committed(changes)

    def _end(self) -> None:
        self._open = self._store.busy = False
        self._store.roll_back()

    savepoint: Any = Unserved()
    evidence: Any = Unserved()
    audits: Any = UnservedSubject("audits")
    comparisons: Any = UnservedSubject("comparisons")
    books: Any = UnservedSubject("books")
    lists: Any = UnservedSubject("lists")
    tokens: Any = UnservedSubject("tokens")
    kept_answers: Any = UnservedSubject("kept_answers")
