"""The database in memory, behind the port: all tables, one transaction at a time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.events import Event
from billing_worker.domain.moment import Moment
from billing_worker.domain.notices.notice import Channel
from billing_worker.domain.notices.written import Cause, causes_of
from billing_worker.domain.payment import Evidence
from billing_worker.domain.settlement import LockedInvoice, Settlement, take_events
from billing_worker.ports.alerts import Alert, event_of
from billing_worker.ports.charging import DueInvoice, DueSubscription
from billing_worker.ports.outside import Ids
from billing_worker.simulation.memory.actions import MemoryActions
from billing_worker.simulation.memory.alerts import MemoryAlerts
from billing_worker.simulation.memory.attempts import MemoryAttempts
from billing_worker.simulation.memory.card_sessions import MemoryCardSessions
from billing_worker.simulation.memory.catch_up import MemoryCatchUp
from billing_worker.simulation.memory.doubts import MemoryDoubts
from billing_worker.simulation.memory.fallbacks import MemoryFallbackKeys
from billing_worker.simulation.memory.gateway_watch import MemoryGatewayWatch
from billing_worker.simulation.memory.inbox import MemoryInbox
from billing_worker.simulation.memory.invoices import MemoryInvoices, oldest_first
from billing_worker.simulation.memory.key_calls import MemoryKeyCalls
from billing_worker.simulation.memory.notices import MemoryNotices
from billing_worker.simulation.memory.outbox import MemoryEndpoints, MemoryOutbox
from billing_worker.simulation.memory.pg_turns import MemoryPgTurns
from billing_worker.simulation.memory.pingbacks import MemoryPingbacks
from billing_worker.simulation.memory.policies import MemoryDunningPolicies
from billing_worker.simulation.memory.refunds import MemoryRefunds
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.schedules import MemorySchedules
from billing_worker.simulation.memory.shadow import MemoryShadow
from billing_worker.simulation.memory.shared import Shared
from billing_worker.simulation.memory.stops import MemoryEnvironment, MemorySpending, MemoryStops
from billing_worker.simulation.memory.subscriptions import MemoryKeys, MemoryPlans, MemorySubscriptions
from billing_worker.simulation.memory.tables import DueIndex, Entry
from billing_worker.simulation.memory.unserved import Unserved, UnservedSubject
from billing_worker.usecases.jobs import JobName


class Store:
    """All rows. No other task reads or writes between the begin and the commit of a transaction."""

    def __init__(self, ids: Ids, channels: Sequence[Channel] = ()) -> None:
        self.ids, self.channels = ids, channels
        self.journal: list[Entry] = []
        """Changes of the open transaction, oldest first."""
        self.busy = False
        """Whether a transaction is open: there is at most one."""
        self.evidence: list[Evidence] = []
        self.rows = rows = Rows()
        rows.policies = self.policies = MemoryDunningPolicies(self.journal)
        rows.plans = self.plans = MemoryPlans(self.journal)
        rows.keys = self.keys = MemoryKeys(self.journal, rows)
        rows.key_calls = self.key_calls = MemoryKeyCalls(self.journal)
        rows.subscriptions = self.subscriptions = MemorySubscriptions(self.journal, rows)
        rows.invoices = self.invoices = MemoryInvoices(self.journal, rows)
        rows.attempts = self.attempts = MemoryAttempts(self.journal, rows)
        rows.refunds = self.refunds = MemoryRefunds(self.journal, rows)
        rows.pingbacks = self.pingbacks = MemoryPingbacks(self.journal)
        rows.stops = self.stops = MemoryStops(self.journal, rows)
        rows.fallbacks = self.fallbacks = MemoryFallbackKeys(self.journal, rows)
        rows.doubts = self.doubts = MemoryDoubts(self.journal)
        rows.schedules = self.schedules = MemorySchedules(self.journal, rows)
        self.shadow = MemoryShadow(rows)
        self.card_sessions = MemoryCardSessions(self.journal)
        self.inbox = MemoryInbox(self.journal, rows)
        self.outbox = MemoryOutbox(self.journal)
        self.notices = MemoryNotices(self.journal, rows)
        self.endpoints = MemoryEndpoints(self.journal)
        self.alerts = MemoryAlerts(self.journal, self.announce_alert)
        self.environment = MemoryEnvironment(self.journal, rows)
        self.spending = MemorySpending(rows)
        self.catch_up = MemoryCatchUp(self.journal, rows, self.alerts.table)
        self.actions = MemoryActions(self.journal)
        self.gateway_watch = MemoryGatewayWatch(self.journal, rows)
        self.pg_turns = MemoryPgTurns(self.journal)

    def scans(self) -> dict[JobName, DueIndex]:
        """The work of each scan, by its job."""
        return {
            JobName.RENEW: self.subscriptions.renewals,
            JobName.COLLECT: self.invoices.due,
            JobName.RECONCILE: self.attempts.looks,
            JobName.REFUND: self.refunds.steps,
            JobName.APPLY: self.inbox.due,
            JobName.CONFIRM: self.keys.looks,
            JobName.CARDS: self.card_sessions.looks,
            JobName.CARD_EXPIRY: self.keys.expiry_looks,
            JobName.KEY_CALL: self.key_calls.steps,
            JobName.SCHEDULE_STEP: self.schedules.work,
            JobName.DELIVER: self.outbox.due,
            JobName.NOTICE: self.notices.due,
            JobName.PROBE: self.gateway_watch.probes,
            JobName.WIN_BACK: self.invoices.win_backs,
        }

    def announce_alert(self, changed: Alert, moment: Moment) -> None:
        """Write the event of an alert that was opened or closed."""
        self.outbox.announce(self.ids.new("evt"), event_of(changed), moment)

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
        "card_sessions",
        "catch_up",
        "doubts",
        "dunning_policies",
        "endpoints",
        "environment",
        "fallbacks",
        "gateway_watch",
        "inbox",
        "invoices",
        "key_calls",
        "keys",
        "notices",
        "outbox",
        "pg_turns",
        "pingbacks",
        "plans",
        "refunds",
        "schedules",
        "shadow",
        "spending",
        "stops",
        "subscriptions",
    )

    def __init__(self, store: Store, committed: Committed) -> None:
        self._store, self._committed, self._open = store, committed, True
        self.plans, self.subscriptions = store.plans, store.subscriptions
        self.dunning_policies = store.policies
        self.keys, self.key_calls, self.fallbacks = store.keys, store.key_calls, store.fallbacks
        self.invoices, self.attempts, self.refunds = store.invoices, store.attempts, store.refunds
        self.schedules, self.shadow = store.schedules, store.shadow
        self.card_sessions = store.card_sessions
        self.inbox = store.inbox
        self.outbox = store.outbox
        self.notices, self.endpoints = store.notices, store.endpoints
        self.alerts = store.alerts
        self.catch_up = store.catch_up
        self.stops = store.stops
        self.environment = store.environment
        self.doubts = store.doubts
        self.spending = store.spending
        self.pingbacks = store.pingbacks
        self.actions = store.actions
        self.gateway_watch = store.gateway_watch
        self.pg_turns = store.pg_turns

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self._end()

    def lock_renewals(self, subscription_ids: Sequence[str]) -> Sequence[DueSubscription]:
        """Subscriptions with what decides whether their next period is charged. Raises NotFound for a single one."""
        store, shared = self._store, Shared(self._store.rows)
        found = []
        for ident in sorted(subscription_ids):
            if ident not in store.subscriptions.rows and len(subscription_ids) > 1:
                continue
            subscription = shared.subscription(ident)
            plan, key = store.plans.get(subscription.plan_id), shared.key(subscription.billing_key_id)
            facts = self._facts(ident, key, plan.money.currency)
            newest = store.policies.newest(subscription.dunning_policy or plan.dunning_policy)
            if newest is None:
                raise AssertionError(f"subscription {ident} has no policy")
            facts |= {"policy_id": newest.id, "policy": newest.policy}
            found.append(DueSubscription(subscription=subscription, key=key, plan=plan, **facts))
        return found

    def lock_due(self, invoice_ids: Sequence[str]) -> Sequence[DueInvoice]:
        """Invoices with what decides whether they are charged, oldest period first. Raises NotFound for one."""
        store, shared = self._store, Shared(self._store.rows)
        known = [ident for ident in invoice_ids if ident in store.invoices.rows or len(invoice_ids) == 1]
        found = []
        for invoice in sorted(map(store.invoices.get, known), key=oldest_first):
            own, key = invoice.subscription_id, shared.key(invoice.billing_key_id)
            subscription = shared.subscription(own) if own is not None else None
            facts = self._facts(invoice.owner_id, key, invoice.money.currency)
            due = DueInvoice(
                subscription=subscription,
                key=key,
                agreed=shared.agreed(invoice, subscription),
                invoice=invoice,
                has_open_attempt=invoice.id in store.attempts.open_of,
                policy=store.policies.rows[invoice.dunning_policy].policy,
                **facts,
            )
            found.append(due)
        return found

    def _facts(self, owner_id: str, key: BillingKey, currency: str) -> dict[str, Any]:
        held = self._store.stops.holding(owner_id, key.pg_provider)
        return {
            "stop": held[0].id if held else None,
            "elsewhere": self._store.environment.elsewhere(),
            "last_paid": self._store.invoices.last_paid(owner_id, currency),
        }

    def lock_settlements(self, attempt_ids: Sequence[str]) -> Sequence[Settlement]:
        """Attempts with all records that their outcomes can change. Raises NotFound for a single one."""
        store, shared = self._store, Shared(self._store.rows)
        found: dict[str, LockedInvoice] = {}
        for ident in attempt_ids:
            if ident in store.attempts.rows or len(attempt_ids) == 1:
                invoice_id = store.attempts.get(ident).invoice_id
                found[invoice_id] = found.get(invoice_id) or shared.invoice(invoice_id)
        wanted = set(attempt_ids)
        return [found[key].about(each) for key in sorted(found) for each in found[key].attempts if each.id in wanted]

    def lock_settlement(self, attempt_id: str) -> Settlement:
        """An attempt with all records that its outcome can change. Raises NotFound."""
        (settlement,) = self.lock_settlements([attempt_id])
        return settlement

    def lock_invoice(self, invoice_id: str) -> LockedInvoice:
        """An invoice with all records that an outcome can change. Raises NotFound."""
        return Shared(self._store.rows).invoice(invoice_id)

    def save_settlements(self, settlements: Sequence[Settlement], moment: Moment) -> None:
        """Write back all records of these settlements, and announce their events."""
        for settlement in settlements:
            self.invoices.save(settlement.invoice)
            self.attempts.save(settlement.attempt)
            if settlement.subscription is not None:
                self.subscriptions.save(settlement.subscription)
            for key in settlement.keys.values():
                self.keys.save(key)
        self.announce(take_events(settlements), moment)

    def announce(self, events: Sequence[Event], moment: Moment) -> None:
        """Write events to the outbox, and what customers hear of them."""
        for event in sorted(events, key=lambda each: each.stream_id):
            self.outbox.announce(self._store.ids.new("evt"), event, moment)
        if self._store.channels:
            self.write_notices(causes_of(events, moment.billing), moment)

    def write_notices(self, causes: Sequence[Cause], moment: Moment) -> None:
        """Write one for each cause and channel; known ones stay as they are."""
        store = self._store
        named = [(store.ids.new("ntc"), channel, cause) for cause in causes for channel in store.channels]
        self.notices.write(named, moment)

    def keep_evidence(self, attempt_id: str | None, evidence: Evidence, real_now: datetime) -> int:
        """Keep the gateway's answer. Returns the evidence's id."""
        return self.keep_all_evidence([(attempt_id, evidence)], real_now)[attempt_id]

    def keep_all_evidence(
        self,
        kept: Sequence[tuple[str | None, Evidence]],
        real_now: datetime,  # noqa: ARG002 - nothing asks when it came
    ) -> Mapping[str | None, int]:
        """Keep these answers, also where the transaction is undone. Returns the evidence's ids by attempt."""
        ids = {}
        for attempt_id, evidence in kept:
            self._store.evidence.append(evidence)
            ids[attempt_id] = len(self._store.evidence)
        return ids

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
    alert_changes: Any = UnservedSubject("alert_changes")
    audits: Any = UnservedSubject("audits")
    comparisons: Any = UnservedSubject("comparisons")
    books: Any = UnservedSubject("books")
    lists: Any = UnservedSubject("lists")
    processes: Any = UnservedSubject("processes")
    tokens: Any = UnservedSubject("tokens")
    kept_answers: Any = UnservedSubject("kept_answers")
    forgetting: Any = UnservedSubject("forgetting")
