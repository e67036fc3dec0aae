"""The database in memory, behind the port: all tables, one transaction at a time."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import count
from types import TracebackType
from typing import Any, Self

from billing_worker.domain.errors import NotFound
from billing_worker.domain.events import Event
from billing_worker.domain.payment import Evidence
from billing_worker.domain.settlement import Settlement
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.outside import Ids
from billing_worker.simulation.memory.alerts import MemoryAlerts
from billing_worker.simulation.memory.attempts import MemoryAttempts
from billing_worker.simulation.memory.books import MemoryBooks
from billing_worker.simulation.memory.catch_up import MemoryCatchUp
from billing_worker.simulation.memory.doors import MemoryActions, NotSimulated
from billing_worker.simulation.memory.doubts import MemoryDoubts
from billing_worker.simulation.memory.inbox import MemoryInbox
from billing_worker.simulation.memory.invoices import MemoryInvoices
from billing_worker.simulation.memory.outbox import MemoryEndpoints, MemoryOutbox
from billing_worker.simulation.memory.periodic import MemoryAudits, MemoryComparisons
from billing_worker.simulation.memory.pingbacks import MemoryPingbacks
from billing_worker.simulation.memory.refunds import MemoryRefunds
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.stops import MemoryEnvironment, MemorySpending, MemoryStops
from billing_worker.simulation.memory.subscriptions import MemoryKeys, MemoryPlans, MemorySubscriptions
from billing_worker.simulation.memory.tables import DueIndex, Entry


class Numbered:
    """Names in the order of their use: the same run, the same names."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, prefix: str) -> str:
        """The prefix, `_`, and sixteen digits."""
        return f"{prefix}_{next(self._numbers):016d}"


class Store:
    """All rows. Nothing else reads or writes between the begin and the commit of a transaction."""

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self.journal: list[Entry] = []
        """Changes of the transaction that is open, oldest first."""
        self.busy = False
        """Whether a transaction is open: there is never more than one."""
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
        self.audits = MemoryAudits()
        self.comparisons = MemoryComparisons()
        self.spending = MemorySpending(rows)
        self.books = MemoryBooks(rows, self.alerts.table, self.inbox, self.outbox)
        self.catch_up = MemoryCatchUp(self.journal, rows, self.alerts.table)
        self.actions = MemoryActions(self.journal)

    def scans(self) -> dict[str, DueIndex]:
        """What each scan looks for, by the name of its job."""
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
        """Undo what the open transaction changed."""
        while self.journal:
            table, before, after = self.journal.pop()
            table.undo(before, after)


Committed = Callable[[Sequence[Entry]], None]


class MemoryTransaction:
    """One transaction. Nothing is kept unless `commit` was called."""

    __slots__ = (
        "_committed",
        "_open",
        "_store",
        "actions",
        "alerts",
        "attempts",
        "audits",
        "books",
        "catch_up",
        "comparisons",
        "doubts",
        "endpoints",
        "environment",
        "inbox",
        "invoices",
        "kept_answers",
        "keys",
        "lists",
        "outbox",
        "pingbacks",
        "plans",
        "refunds",
        "spending",
        "stops",
        "subscriptions",
        "tokens",
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
        self.books = store.books
        self.catch_up = store.catch_up
        self.stops = store.stops
        self.environment = store.environment
        self.audits = store.audits
        self.comparisons = store.comparisons
        self.doubts = store.doubts
        self.spending = store.spending
        self.pingbacks = store.pingbacks
        self.actions = store.actions
        not_simulated: Any = NotSimulated()
        self.tokens = self.kept_answers = self.lists = not_simulated

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
            elsewhere=False,
            last_paid=store.invoices.last_paid(subscription.id, invoice.money.currency),
        )

    def lock_settlement(self, attempt_id: str) -> Settlement:
        """An attempt with all that its outcome can touch. Raises NotFound."""
        store = self._store
        attempt = store.attempts.get(attempt_id)
        invoice = store.invoices.get(attempt.invoice_id)
        subscription = store.subscriptions.get(invoice.subscription_id)
        plan = store.plans.rows[subscription.plan_id]
        return Settlement(
            subscription=subscription,
            invoice=invoice,
            attempt=attempt,
            key=store.keys.get(attempt.billing_key_id),
            policy=plan.dunning,
            calendar=plan.calendar,
            plan_name=plan.name,
        )

    def save_settlement(self, settlement: Settlement, now: datetime, real_now: datetime) -> None:
        """Write back everything an outcome can touch, and its events to the outbox."""
        self.invoices.save(settlement.invoice)
        self.attempts.save(settlement.attempt)
        self.subscriptions.save(settlement.subscription)
        self.keys.save(settlement.key)
        self.announce(settlement.events, now, real_now)
        settlement.events.clear()

    def announce(self, events: Sequence[Event], now: datetime, real_now: datetime) -> None:
        """Write events to the outbox."""
        for event in sorted(events, key=lambda each: each.stream_id):
            self.outbox.announce(self._store.ids.new("evt"), event, now, real_now)

    def savepoint(self) -> AbstractContextManager[Any]:
        """Nobody takes a part of a simulated transaction."""
        raise AssertionError("savepoints are not simulated")

    def keep_evidence(self, attempt_id: str | None, evidence: Evidence, real_now: datetime) -> int:  # noqa: ARG002 - nobody asks whose it is
        """Keep what the gateway said, also where the transaction is undone. Returns the evidence's id."""
        self._store.evidence.append(evidence)
        return len(self._store.evidence)

    def evidence(self, evidence_id: int) -> Evidence:
        """What the gateway said, as it was kept. Raises NotFound."""
        if not 0 < evidence_id <= len(self._store.evidence):
            raise NotFound("evidence", str(evidence_id))
        return self._store.evidence[evidence_id - 1]

    def commit(self) -> None:
        """Keep it all."""
        changes = tuple(self._store.journal)
        self._store.journal.clear()
        self._end()
        if changes:
            self._committed(changes)

    def _end(self) -> None:
        self._open = self._store.busy = False
        self._store.roll_back()
