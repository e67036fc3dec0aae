"""What must never happen, looked for at every commit and at every request that reaches the gateway.

Nothing here asks the worker's rules: the edges, the counting and the comparing are written down once more. Rows are
read as data; what was charged is read from the gateway's ledger.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.event_order import Story
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.payment import ChargeRequest
from billing_worker.domain.refund import Refund, RefundRequest
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outgoing import OutboxMessage
from billing_worker.simulation.fleet.ledger import AGAIN, ISSUE, LATE, Ledger, Row
from billing_worker.simulation.fleet.scheduler import Scheduler
from billing_worker.simulation.judge.edges import BEGINS, EDGES
from billing_worker.simulation.memory.order_ids import OrderId
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import Entry

IN_DOUBT = ("in_flight", "unknown")

SENT_AFTER_CANCEL = timedelta(seconds=66)
"""A charge that was written down before the cancellation may still be sent within the HTTP deadline."""

HARD, SOFT = "hard", "soft"

MOMENT = timedelta(microseconds=1)

Stated = Refund | PaymentAttempt | Invoice | Subscription | BillingKey


@dataclass(frozen=True, slots=True)
class Breach:
    """One promise that was broken."""

    invariant: str
    text: str
    when: datetime
    about: tuple[str, ...]
    """Ids to look for in the trace."""


@dataclass(frozen=True, slots=True)
class _Decline:
    when: datetime
    customer_uid: str
    kind: str


class Safety:
    """Watches one run; `breach` is the first that it saw."""

    def __init__(self, rows: Rows, ledger: Ledger, scheduler: Scheduler) -> None:
        self.breach: Breach | None = None
        self.clicked: dict[str, datetime] = {}
        """When a person last asked for an invoice to be tried at once, or gave another card for it."""
        self.orders: defaultdict[str, list[str]] = defaultdict(list)
        self.requests = 0
        self._rows = rows
        self._ledger = ledger
        self._scheduler = scheduler
        self._posts: defaultdict[str, int] = defaultdict(int)
        self._declines: defaultdict[str, list[_Decline]] = defaultdict(list)
        self._left_out_at: dict[str, datetime] = {}
        self._story = Story()
        self._checks: dict[str, Callable[[Any, Any], None]] = {
            "attempt": self._attempt,
            "invoice": self._invoice,
            "subscription": self._subscription,
            "billing key": self._key,
            "merchant_uid": self._order,
            "refund": self._refund,
            "event": self._told,
        }

    def found(self, invariant: str, text: str, *about: str) -> None:
        """A promise was broken; the first one counts."""
        if self.breach is None:
            self.breach = Breach(invariant, text, self._scheduler.now, about)
            self._scheduler.halted = True

    def committed(self, changes: Sequence[Entry]) -> None:
        """A transaction was kept."""
        for table, before, after in changes:
            check = self._checks.get(table.kind)
            if check is not None:
                check(before, after)

    # -- at the gateway's door

    def requested(self, request: ChargeRequest) -> None:
        """A charge is sent."""
        self.requests += 1
        uid, tables, now = request.merchant_uid, self._rows, self._scheduler.now
        order = tables.invoices.order_ids.rows.get(uid)
        if order is None:
            self.found("I17", f"{uid} is charged, and no invoice has this order", uid)
            return
        invoice = tables.invoices.rows[order.invoice_id]
        own = [tables.attempts.rows[each] for each in tables.attempts.by_invoice[invoice.id]]
        sent = [row for row in own if row.merchant_uid == uid]
        intents = [row for row in sent if row.status in IN_DOUBT]
        self._posts[uid] += 1
        if not intents or self._posts[uid] > len(sent):
            self.found("I17", f"{uid} is charged {self._posts[uid]} times by {len(sent)} attempts", uid, invoice.id)
        if any((row.money, invoice.money) != (request.money, request.money) for row in intents):
            self.found("I5", f"{uid} is charged over {request.money}, owed is {invoice.money}", uid, invoice.id)
        if now < invoice.period.start:
            self.found("I15", f"{uid} is charged before its period begins at {invoice.period.start}", uid, invoice.id)
        key = tables.keys.rows[intents[0].billing_key_id] if intents else None
        if key is not None and key.issue_claim == "open":
            text = f"{uid} is charged, and nobody decided what the payment that issued {key.id} pays"
            self.found("I1", text, uid, invoice.id)
        self._after_cancel(invoice, intents)
        self._bounded(invoice, request, now)

    def paid(self, row: Row) -> None:
        """The gateway took money."""
        order = self._rows.invoices.order_ids.rows.get(row.merchant_uid)
        if order is None:
            return
        holding = [each for each in self.payments(order.invoice_id) if each.holds and each.cause in (AGAIN, ISSUE)]
        if len(holding) > 1:
            names = ", ".join(each.imp_uid for each in holding)
            self.found("I1", f"invoice {order.invoice_id} is charged {len(holding)} times: {names}", order.invoice_id)

    def declined(self, row: Row) -> None:
        """The gateway refused a card."""
        kind = SOFT if row.reason == "한도초과" else HARD
        if row.cause != LATE:
            self._declines[row.merchant_uid].append(_Decline(row.started_at, row.customer_uid, kind))

    def refund_requested(self, request: RefundRequest) -> None:
        """Money is to be given back: by an intent of ours, with an amount, and with the balance that we believe in."""
        tables = self._rows
        intent = tables.refunds.rows.get(request.reason.split()[0])
        about = (request.imp_uid, request.merchant_uid)
        if intent is None or intent.status not in IN_DOUBT:
            self.found("I10", f"{request.imp_uid} is given back without an intent: {request.reason}", *about)
            return
        if request.money != intent.money or request.money.amount <= 0 or request.balance.amount != intent.balance:
            self.found("I10", f"refund {intent.id} asks for {request.money} of {request.balance}", intent.id, *about)
        paid = tables.attempts.rows[intent.attempt_id]
        if paid.imp_uid != request.imp_uid or paid.status != "approved":
            self.found("I10", f"refund {intent.id} gives {request.imp_uid} back, which is not its payment", *about)

    def cancelled(self, row: Row) -> None:
        """The gateway gave money back."""
        reasons = [reason.split()[0] for _, reason in row.cancellations if reason.startswith("rfd_")]
        if len(set(reasons)) < len(reasons):
            self.found("I10", f"one refund of {row.imp_uid} was given back twice: {reasons}", row.imp_uid, *reasons)
        if row.cancelled > row.amount:
            self.found("I10", f"{row.imp_uid} gave {row.cancelled} of {row.amount} back", row.imp_uid)

    def payments(self, invoice_id: str) -> list[Row]:
        """All that the gateway has under any order of this invoice."""
        return [row for uid in self.orders[invoice_id] for row in self._ledger.orders[uid]]

    def _after_cancel(self, invoice: Invoice, intents: Sequence[PaymentAttempt]) -> None:
        canceled_at = self._rows.subscriptions.rows[invoice.subscription_id].canceled_at
        if canceled_at is None:
            return
        begun = max((row.started_at for row in intents), default=canceled_at)
        if begun > canceled_at or self._scheduler.now - canceled_at > SENT_AFTER_CANCEL:
            text = f"invoice {invoice.id} is charged, its subscription was canceled at {canceled_at}"
            self.found("I6", text, invoice.id, invoice.subscription_id)

    def _bounded(self, invoice: Invoice, request: ChargeRequest, now: datetime) -> None:
        """Not again on a dead card, not sooner than the policy says, not more often."""
        declines = [each for uid in self.orders[invoice.id] for each in self._declines[uid]]
        if not declines:
            return
        last = max(declines, key=lambda each: each.when)
        asked = self.clicked.get(invoice.id)
        if last.customer_uid != request.customer_uid or (asked is not None and asked >= last.when):
            return
        plan = self._rows.plans.rows[self._rows.subscriptions.rows[invoice.subscription_id].plan_id]
        waits = plan.dunning.retry_days
        about = (invoice.id, request.merchant_uid)
        if last.kind == HARD:
            self.found("I7", f"invoice {invoice.id} is charged to a card that was declined for good", *about)
        elif len(declines) > len(waits) and asked is None:
            self.found("I7", f"invoice {invoice.id} is charged after {len(declines)} declines", *about)
        elif asked is None and now < last.when + timedelta(days=waits[len(declines) - 1]):
            self.found("I7", f"invoice {invoice.id} is charged again at once after {last.when}", *about)

    # -- in the database

    def _attempt(self, before: PaymentAttempt | None, after: PaymentAttempt) -> None:
        self._edge("attempt", before, after)
        tables = self._rows
        invoice = tables.invoices.rows[after.invoice_id]
        if before is None:
            self._begun(after, invoice)
        elif after.fence < before.fence:
            self.found("I8", f"the fence of {after.id} fell from {before.fence} to {after.fence}", after.id)
        if after.status == "approved" and (before is None or before.status != "approved"):
            self._approved(after)

    def _begun(self, attempt: PaymentAttempt, invoice: Invoice) -> None:
        rows = self._rows.attempts.rows
        doubtful = [each for each in self._rows.attempts.by_invoice[invoice.id] if rows[each].status in IN_DOUBT]
        if len(doubtful) > 1:
            self.found("I8", f"invoice {invoice.id} has {len(doubtful)} open attempts: {doubtful}", invoice.id)
        key = self._rows.keys.rows[attempt.billing_key_id]
        if key.status != "active" and not attempt.found:
            self.found("I7", f"attempt {attempt.id} began on key {key.id}, which is {key.status}", attempt.id, key.id)
        if attempt.money != invoice.money:
            self.found("I5", f"attempt {attempt.id} is over {attempt.money}, owed is {invoice.money}", attempt.id)
        held = self._stopped(attempt, invoice)
        if held and not attempt.found:
            self.found(
                "R12", f"attempt {attempt.id} began although charging is stopped: {held}", attempt.id, invoice.id
            )
        if attempt.started_at < invoice.period.start:
            self.found("I15", f"attempt {attempt.id} began before the period did", attempt.id, invoice.id)

    def _stopped(self, attempt: PaymentAttempt, invoice: Invoice) -> list[str]:
        pg = self._rows.keys.rows[attempt.billing_key_id].pg_provider
        here = ("all", f"pg:{pg}", f"subscription:{invoice.subscription_id}")
        return [row.scope for row in self._rows.stops.rows.values() if row.closed_at is None and row.scope in here]

    def _approved(self, attempt: PaymentAttempt) -> None:
        row = self._ledger.rows.get(attempt.imp_uid or "")
        if row is None:
            self.found("I2", f"attempt {attempt.id} is approved by {attempt.imp_uid}, which is nowhere", attempt.id)
            return
        card = self._rows.keys.rows[attempt.billing_key_id].customer_uid
        said = (attempt.merchant_uid, attempt.money.amount, attempt.money.currency, card)
        shown = (row.merchant_uid, row.amount, row.currency, row.customer_uid)
        if said != shown or row.status not in ("paid", "cancelled"):
            self.found("I2", f"attempt {attempt.id} says {said}, the ledger {shown} and {row.status}", attempt.id)
        if attempt.evidence_id is None:
            self.found("I12", f"attempt {attempt.id} is approved without evidence", attempt.id)

    def _invoice(self, before: Invoice | None, after: Invoice) -> None:
        self._edge("invoice", before, after)
        if before is None:
            self._opened(after)
            return
        if after.status == "paid" and before.status != "paid":
            rows = self._rows.attempts.rows
            settling = [
                each
                for each in self._rows.attempts.by_invoice[after.id]
                if rows[each].status == "approved" and not rows[each].surplus
            ]
            if len(settling) != 1:
                self.found("I2", f"invoice {after.id} is paid by {len(settling)} attempts", after.id)
        if after.declines > before.declines:
            answered = sum(
                self._ledger.refused[uid] + sum(row.reason is not None or row.cause == "review" for row in rows)
                for uid in self.orders[after.id]
                for rows in (self._ledger.orders[uid],)
            )
            if after.declines > answered:
                text = f"invoice {after.id} counts {after.declines} declines, the gateway made {answered}"
                self.found("I7", text, after.id)

    def _opened(self, invoice: Invoice) -> None:
        tables, owner = self._rows, invoice.subscription_id
        siblings = tables.invoices.by_subscription[owner]
        period = invoice.period
        if len(siblings) > 1:
            last = tables.invoices.rows[siblings[-2]]
            left_out = self._left_out_at.get(owner, last.created_at) > last.created_at
            if period.start < last.period.end or (period.start > last.period.end and not left_out):
                text = f"invoice {invoice.id} begins at {period.start}, the one before ends at {last.period.end}"
                self.found("I15", text, invoice.id, owner)
        if period.start > self._scheduler.now:
            self.found("I15", f"invoice {invoice.id} is opened before its period begins", invoice.id)
        if invoice.money != tables.plans.rows[tables.subscriptions.rows[owner].plan_id].money:
            self.found("I5", f"invoice {invoice.id} is over {invoice.money}, which is not the plan's price", invoice.id)

    def _subscription(self, before: Subscription | None, after: Subscription) -> None:
        self._edge("subscription", before, after)
        if after.status == "unpaid":
            self._left_out_at[after.id] = self._scheduler.now

    def _key(self, before: BillingKey | None, after: BillingKey) -> None:
        self._edge("billing key", before, after)
        if before is not None and before.status != "active" and after.status == "active":
            told = [row for row in self._rows.pingbacks.rows.values() if row.uid == after.customer_uid]
            heard = [row.verdict for row in told if row.verdict != "undecided"]
            if heard and heard[-1] != "delivered":
                self.found("I14", f"key {after.id} was unlocked by a payment that is {heard[-1]}", after.id)

    def _refund(self, before: Refund | None, after: Refund) -> None:
        self._edge("refund", before, after)
        if after.status != "succeeded" or (before is not None and before.status == "succeeded"):
            return
        row = self._ledger.rows.get(self._rows.attempts.rows[after.attempt_id].imp_uid or "")
        shown = row is not None and (
            after.money.amount in [a for a, why in row.cancellations if why.startswith(after.id)]
        )
        if not shown:
            self.found("I10", f"refund {after.id} succeeded, the ledger does not show it", after.id, after.attempt_id)

    def _told(self, before: OutboxMessage | None, after: OutboxMessage) -> None:
        event = after.event
        if before is None:
            problems = self._story.hear(event.type, event.subject_id, event.data)
            for problem in problems + self._story.place(event.stream_id, after.stream_sequence):
                self.found("I22", problem, event.subject_id, after.id)
        if after.event.type == "subscription.periods_skipped":
            self._left_out_at[after.event.subject_id] = self._scheduler.now + MOMENT

    def _order(self, _before: OrderId | None, after: OrderId) -> None:
        self.orders[after.invoice_id].append(after.id)

    def _edge(self, kind: str, before: Stated | None, after: Stated) -> None:
        if before is None:
            if after.status not in BEGINS[kind]:
                self.found("I14", f"{kind} {after.id} begins as {after.status}", after.id)
        elif before.status is not after.status and after.status not in EDGES.get((kind, before.status), ()):
            self.found("I14", f"{kind} {after.id} went from {before.status} to {after.status}", after.id)
