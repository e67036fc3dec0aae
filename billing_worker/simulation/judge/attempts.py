"""Invariants of a written attempt (I2, I5, I7, I8, I12, I15, and R12: nothing begins while stopped)."""

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.simulation.fleet.ledger import ONCE
from billing_worker.simulation.judge.docket import IN_DOUBT, Docket


class Attempts:
    """Checks each attempt when it begins, changes and is approved.

    An attempt of the gateway's schedule was decided when that was registered: neither a stop nor a key holds it back.
    """

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
        if (
            key.status != "active"
            and not (attempt.found or attempt.scheduled)
            and not _is_by_card(attempt, invoice, key)
        ):
            self._docket.found(
                "I7", f"attempt {attempt.id} began on key {key.id}, which is {key.status}", attempt.id, key.id
            )
        own = invoice.subscription_id
        if own is not None and not (attempt.found or attempt.scheduled) and not self._agreed(own, attempt):
            text = f"attempt {attempt.id} began on key {attempt.billing_key_id}, which the customer did not agree to"
            self._docket.found("I7", text, attempt.id, own)
        if attempt.money != invoice.money:
            self._docket.found(
                "I5", f"attempt {attempt.id} is over {attempt.money}, owed is {invoice.money}", attempt.id
            )
        held = self._stopped(attempt, invoice)
        if held and not (attempt.found or attempt.scheduled):
            self._docket.found(
                "R12", f"attempt {attempt.id} began although charging is stopped: {held}", attempt.id, invoice.id
            )
        if attempt.started_at < invoice.owed_from and not attempt.found:
            self._docket.found("I15", f"attempt {attempt.id} began before it was owed", attempt.id, invoice.id)

    def _agreed(self, subscription_id: str, attempt: PaymentAttempt) -> bool:
        """Whether the customer gave this card as the main one, or agreed to it."""
        tables = self._docket.rows
        fallbacks = [tables.fallbacks.rows[each] for each in tables.fallbacks.by_owner[subscription_id]]
        agreed = [each.billing_key_id for each in fallbacks if each.ended_at is None]
        return attempt.billing_key_id in (tables.subscriptions.rows[subscription_id].billing_key_id, *agreed)

    def _stopped(self, attempt: PaymentAttempt, invoice: Invoice) -> list[str]:
        pg = self._docket.rows.keys.rows[attempt.billing_key_id].pg_provider
        here = ("all", f"pg:{pg}", f"subscription:{invoice.owner_id}", f"invoice:{invoice.owner_id}")
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
        kept = not (row.customer_uid.startswith(ONCE) and card.startswith("once_"))
        shown = (row.merchant_uid, row.amount, row.currency, row.customer_uid if kept else card)
        if said != shown or row.status not in ("paid", "cancelled"):
            self._docket.found(
                "I2", f"attempt {attempt.id} says {said}, the ledger {shown} and {row.status}", attempt.id
            )
        if attempt.evidence_id is None:
            self._docket.found("I12", f"attempt {attempt.id} is approved without evidence", attempt.id)


def _is_by_card(attempt: PaymentAttempt, invoice: Invoice, key: BillingKey) -> bool:
    """Whether it is the only attempt of a payment by card data: its key is new, and charged by no other."""
    is_new = key.waits_for == "first_payment" or (key.status == "deleted" and key.created_at == invoice.created_at)
    return invoice.single is not None and attempt.number == 1 and is_new
