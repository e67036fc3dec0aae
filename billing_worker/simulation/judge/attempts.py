"""Invariants of a written attempt (I2, I5, I7, I8, I12, I15, and R12: nothing begins while stopped)."""

from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.simulation.judge.docket import IN_DOUBT, Docket


class Attempts:
    """Checks each attempt when it begins, changes and is approved."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket

    def committed(self, before: PaymentAttempt | None, after: PaymentAttempt) -> None:
        """Check a written attempt."""
        tables = self._docket.rows
        invoice = tables.invoices.rows[after.invoice_id]
        if before is None:
            self._begun(after, invoice)
        elif after.fence < before.fence:
            self._docket.found("I8", f"the fence of {after.id} fell from {before.fence} to {after.fence}", after.id)
        if after.status == "approved" and (before is None or before.status != "approved"):
            self._approved(after)

    def _begun(self, attempt: PaymentAttempt, invoice: Invoice) -> None:
        rows = self._docket.rows.attempts.rows
        doubtful = [each for each in self._docket.rows.attempts.by_invoice[invoice.id] if rows[each].status in IN_DOUBT]
        if len(doubtful) > 1:
            self._docket.found("I8", f"invoice {invoice.id} has {len(doubtful)} open attempts: {doubtful}", invoice.id)
        key = self._docket.rows.keys.rows[attempt.billing_key_id]
        if key.status != "active" and not attempt.found:
            self._docket.found(
                "I7", f"attempt {attempt.id} began on key {key.id}, which is {key.status}", attempt.id, key.id
            )
        if attempt.money != invoice.money:
            self._docket.found(
                "I5", f"attempt {attempt.id} is over {attempt.money}, owed is {invoice.money}", attempt.id
            )
        held = self._stopped(attempt, invoice)
        if held and not attempt.found:
            self._docket.found(
                "R12", f"attempt {attempt.id} began although charging is stopped: {held}", attempt.id, invoice.id
            )
        if attempt.started_at < invoice.period.start:
            self._docket.found("I15", f"attempt {attempt.id} began before the period did", attempt.id, invoice.id)

    def _stopped(self, attempt: PaymentAttempt, invoice: Invoice) -> list[str]:
        pg = self._docket.rows.keys.rows[attempt.billing_key_id].pg_provider
        here = ("all", f"pg:{pg}", f"subscription:{invoice.subscription_id}")
        return [
            row.scope for row in self._docket.rows.stops.rows.values() if row.closed_at is None and row.scope in here
        ]

    def _approved(self, attempt: PaymentAttempt) -> None:
        row = self._docket.ledger.rows.get(attempt.imp_uid or "")
        if row is None:
            self._docket.found(
                "I2", f"attempt {attempt.id} is approved by {attempt.imp_uid}, which is nowhere", attempt.id
            )
            return
        card = self._docket.rows.keys.rows[attempt.billing_key_id].customer_uid
        said = (attempt.merchant_uid, attempt.money.amount, attempt.money.currency, card)
        shown = (row.merchant_uid, row.amount, row.currency, row.customer_uid)
        if said != shown or row.status not in ("paid", "cancelled"):
            self._docket.found(
                "I2", f"attempt {attempt.id} says {said}, the ledger {shown} and {row.status}", attempt.id
            )
        if attempt.evidence_id is None:
            self._docket.found("I12", f"attempt {attempt.id} is approved without evidence", attempt.id)
