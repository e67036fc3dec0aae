"""Invariants of a written invoice: its settling payment, its declines, its period (I2, I5, I7, I15)."""

from datetime import datetime, timedelta

from billing_worker.domain.invoice import Invoice
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outgoing import OutboxMessage
from billing_worker.simulation.judge.docket import Docket

MOMENT = timedelta(microseconds=1)

NOT_OWED = "PortOne's schedule charged a period that is not owed"
"""The reason of an invoice that is no bill: it is there for a payment that goes back."""


class Invoices:
    """Checks each invoice when it opens and closes, and notes the periods that were left out."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self._left_out_at: dict[str, datetime] = {}
        self._for_refunds: set[str] = set()

    def committed(self, before: Invoice | None, after: Invoice) -> None:
        """Check a written invoice."""
        if before is None:
            self._opened(after)
            return
        if after.status == "paid" and before.status != "paid":
            rows = self._docket.rows.attempts.rows
            settling = [
                each
                for each in self._docket.rows.attempts.by_invoice[after.id]
                if rows[each].status == "approved" and not rows[each].surplus
            ]
            if len(settling) != 1:
                self._docket.found("I2", f"invoice {after.id} is paid by {len(settling)} attempts", after.id)
        if after.dunning_policy != before.dunning_policy:
            self._docket.found("I7", f"invoice {after.id} began with {before.dunning_policy}", after.id)
        if after.declines > before.declines:
            answered = sum(
                self._docket.ledger.refused[uid] + sum(row.reason is not None or row.cause == "review" for row in rows)
                for uid in self._docket.orders[after.id]
                for rows in (self._docket.ledger.orders[uid],)
            )
            if after.declines > answered:
                text = f"invoice {after.id} counts {after.declines} declines, the gateway made {answered}"
                self._docket.found("I7", text, after.id)

    def _opened(self, invoice: Invoice) -> None:
        tables, owner, period = self._docket.rows, invoice.subscription_id, invoice.period
        if owner is None or period is None:
            return
        if (invoice.last_reason or "").startswith(NOT_OWED):
            # It is opened for its refund, at any time.
            self._for_refunds.add(invoice.id)
            return
        siblings = [ident for ident in tables.invoices.by_owner[owner] if ident not in self._for_refunds]
        if len(siblings) > 1:
            last = tables.invoices.rows[siblings[-2]]
            ended = last.period.end if last.period is not None else period.start
            void = last.status == "void"
            left_out = self._left_out_at.get(owner, last.created_at) > last.created_at
            if (period.start < ended and not void) or (period.start > ended and not left_out):
                text = f"invoice {invoice.id} begins at {period.start}, the one before ends at {ended}"
                self._docket.found("I15", text, invoice.id, owner)
        if period.start > self._docket.now:
            self._docket.found("I15", f"invoice {invoice.id} is opened before its period begins", invoice.id)
        if invoice.money != tables.plans.rows[tables.subscriptions.rows[owner].plan_id].money:
            self._docket.found(
                "I5", f"invoice {invoice.id} is over {invoice.money}, which is not the plan's price", invoice.id
            )

    def subscribed(self, _before: Subscription | None, after: Subscription) -> None:
        """Note a written subscription: while it is unpaid, periods are left out."""
        if after.status == "unpaid":
            self._left_out_at[after.id] = self._docket.now

    def announced(self, _before: OutboxMessage | None, after: OutboxMessage) -> None:
        """Note a written event: it may say that periods were left out."""
        if after.event.type == "subscription.periods_skipped":
            self._left_out_at[after.event.subject_id] = self._docket.now + MOMENT
