"""Every allowed first status and every allowed change of status, written independently of the domain (I14)."""

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.refund import Refund
from billing_worker.domain.subscription import Subscription
from billing_worker.simulation.judge.docket import Docket

Stated = Refund | PaymentAttempt | Invoice | Subscription | BillingKey


EDGES = {
    ("attempt", "in_flight"): {"approved", "declined", "failed", "unknown"},
    ("attempt", "unknown"): {"approved", "declined", "failed"},
    ("attempt", "declined"): {"approved"},
    ("attempt", "failed"): {"approved"},
    ("invoice", "open"): {"paid", "uncollectible", "void"},
    ("invoice", "uncollectible"): {"paid", "open", "void"},
    ("subscription", "pending"): {"active", "past_due", "unpaid", "canceled"},
    ("subscription", "active"): {"past_due", "unpaid", "canceled"},
    ("subscription", "past_due"): {"active", "unpaid", "canceled"},
    # Past due: a new period begins on another card.
    ("subscription", "unpaid"): {"active", "past_due", "canceled"},
    ("refund", "pending"): {"in_flight", "succeeded", "failed"},
    ("refund", "in_flight"): {"pending", "unknown", "succeeded", "failed"},
    ("refund", "unknown"): {"pending", "succeeded", "failed"},
    ("refund", "failed"): {"succeeded"},
    ("billing key", "pending"): {"active", "invalid"},
    ("billing key", "active"): {"invalid"},
    ("billing key", "invalid"): {"active"},
}
"""Every allowed change of a status. Late approval: declined or failed becomes approved."""

BEGINS = {
    # As unknown: the gateway makes it by its schedule.
    "attempt": {"in_flight", "failed", "unknown"},
    "invoice": {"open"},
    "subscription": {"pending"},
    # As deleted: of a card that is charged by its data, and not kept.
    "billing key": {"pending", "deleted"},
    "refund": {"pending"},
}


class Edges:
    """Checks each change of a status."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket

    def passed(self, kind: str, before: Stated | None, after: Stated) -> None:
        """Check a written row of this kind."""
        if before is None:
            if after.status not in BEGINS[kind]:
                self._docket.found("I14", f"{kind} {after.id} begins as {after.status}", after.id)
        elif before.status is not after.status and after.status not in EDGES.get((kind, before.status), ()):
            self._docket.found("I14", f"{kind} {after.id} went from {before.status} to {after.status}", after.id)

    def unlocked(self, before: BillingKey | None, after: BillingKey) -> None:
        """Check a written key: its issuing payment must not have been taken back."""
        if before is not None and before.status != "active" and after.status == "active":
            told = [row for row in self._docket.rows.pingbacks.rows.values() if row.uid == after.customer_uid]
            heard = [row.verdict for row in told if row.verdict != "undecided"]
            if heard and heard[-1] != "delivered":
                self._docket.found("I14", f"key {after.id} was unlocked by a payment that is {heard[-1]}", after.id)
