"""What a transaction in memory reads under the lock of a subscription: one copy of each row."""

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.plan import Plan
from billing_worker.domain.settlement import LockedInvoice
from billing_worker.domain.single_payment import SinglePayment
from billing_worker.domain.subscription import Subscription
from billing_worker.simulation.memory.rows import Rows


class Shared:
    """Copies of rows, one of each: two copies of one row could undo each other's changes."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._subscriptions: dict[str, Subscription] = {}
        self._keys: dict[str, BillingKey] = {}

    def subscription(self, ident: str) -> Subscription:
        """The subscription. Raises NotFound."""
        if ident not in self._subscriptions:
            self._subscriptions[ident] = self._rows.subscriptions.get(ident)
        return self._subscriptions[ident]

    def key(self, ident: str) -> BillingKey:
        """The key. Raises NotFound."""
        if ident not in self._keys:
            self._keys[ident] = self._rows.keys.get(ident)
        return self._keys[ident]

    def agreed(self, invoice: Invoice, subscription: Subscription | None) -> Plan | SinglePayment:
        """What says the product's name and when to try again."""
        return invoice.of_single if subscription is None else self._rows.plans.rows[subscription.plan_id]

    def invoice(self, ident: str) -> LockedInvoice:
        """The invoice with all records that an outcome can change. Raises NotFound."""
        rows = self._rows
        invoice = rows.invoices.get(ident)
        attempts = list(rows.attempts.of_invoice(ident))
        own = invoice.subscription_id
        subscription = self.subscription(own) if own is not None else None
        used = {attempt.billing_key_id for attempt in attempts} or {invoice.billing_key_id}
        return LockedInvoice(
            subscription=subscription,
            invoice=invoice,
            agreed=self.agreed(invoice, subscription),
            policy=rows.policies.rows[invoice.dunning_policy].policy,
            keys={key_id: self.key(key_id) for key_id in used},
            attempts=attempts,
        )
