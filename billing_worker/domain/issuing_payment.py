"""The payment that issued a key: how to find it, whether it failed for good, and what it pays for.

Paymentwall issues a key only together with a charge (PortOne's guide). So the first charge is the first period's.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from billing_worker.domain.billing_key import BillingKey, IssueUse
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.payment import Evidence, GatewayPayment, PaymentStatus
from billing_worker.domain.subscription import Subscription, SubscriptionStatus

REVIEWED_WITHIN = timedelta(days=7)
"""Paymentwall's risk review takes days, and may turn a failure into a payment. After this time a failure is final."""

PAID_AHEAD = timedelta(days=3)
"""Registering and subscribing may take a weekend. A payment more than three days before the first billed period
probably paid for an earlier one: some merchants start the subscription at the second period."""

_REGISTRABLE = re.compile(r"[\x21-\x7e]{1,40}")
"""The characters and length of foreign merchant_uids that our register accepts."""

Seen = tuple[GatewayPayment, Evidence]


class Verdict(StrEnum):
    """What an issuing payment means for an invoice that is due."""

    PAYS = "pays"
    """It paid this invoice."""
    COVERS = "covers"
    """An operator said that it stands for this period, although its sum differs: nothing is owed."""
    ASK = "ask"
    """It may have paid this period: an operator must decide."""
    CHARGE = "charge"
    """It has nothing to do with this invoice."""


def issuing_payment(payments: Sequence[Seen]) -> Seen | None:
    """The payment that issued a key, among all payments of the key; None if there is none.

    PortOne marks it. Without a mark, it is the oldest payment that was paid: a key cannot be charged before it is
    issued, and a refused card issues nothing.
    """
    marked = [seen for seen in payments if seen[0].issues_key]
    if marked:
        return max(marked, key=lambda seen: (seen[0].holds_money, _when(seen[0]), seen[0].imp_uid))
    unmarked = [seen for seen in payments if seen[0].issues_key is None]
    paid = [seen for seen in unmarked if seen[0].status in (PaymentStatus.PAID, PaymentStatus.CANCELLED)]
    if paid:
        return min(paid, key=lambda seen: (_when(seen[0]), seen[0].imp_uid))
    failed = PaymentStatus.FAILED
    return max(unmarked, key=lambda seen: (seen[0].status is not failed, _when(seen[0]), seen[0].imp_uid), default=None)


def is_another_issue(payment: GatewayPayment, first: str | None, registered: datetime) -> bool:
    """Whether this payment issued a key as well as `first`: the customer entered the card, and paid, a second time.

    A payment days older than the key's registration here paid for something earlier.
    """
    if not payment.issues_key or not payment.holds_money or first in (None, payment.imp_uid):
        return False
    begun = payment.started_at or payment.paid_at
    return begun is None or begun >= registered - PAID_AHEAD


def never_issues(payment: GatewayPayment, now: datetime) -> str | None:
    """Why this payment can no longer issue a key; None while it can."""
    if payment.status is PaymentStatus.CANCELLED and not payment.holds_money:
        return "the payment that issued it was cancelled"
    begun = payment.started_at
    if payment.status is PaymentStatus.FAILED and begun is not None and begun <= now - REVIEWED_WITHIN:
        return f"the payment that was to issue it failed: {payment.fail_reason or 'without a reason'}"
    return None


def may_be_for(key: BillingKey, subscription: Subscription, first: Invoice | None) -> bool:
    """Whether the issuing payment of its key may have paid for a subscription; `first` is its first invoice.

    It may if the first period is still unpaid. It also may if the card is younger than the subscription: the customer
    replaced a card, and was charged when the new key was issued.
    """
    if subscription.status is SubscriptionStatus.CANCELED:
        return False
    if subscription.next_period_index == 0:
        return True
    if first is not None and first.is_first and first.status is InvoiceStatus.OPEN:
        return True
    return subscription.created_at < key.created_at


def verdict(key: BillingKey, invoice: Invoice, payment: GatewayPayment, candidates: Sequence[str]) -> Verdict:
    """The meaning of the issuing payment, as just read, for this invoice. `candidates` are ids of subscriptions."""
    if not payment.holds_money:
        return Verdict.CHARGE
    same = payment.money == invoice.money and _REGISTRABLE.fullmatch(payment.merchant_uid) is not None
    if key.issue_claim is IssueUse.CHOSEN:
        if key.issue_for != invoice.subscription_id:
            return Verdict.CHARGE
        return Verdict.PAYS if same else Verdict.COVERS
    if invoice.subscription_id not in candidates:
        return Verdict.ASK if candidates else Verdict.CHARGE
    alone = len(candidates) == 1 and invoice.is_first
    return Verdict.PAYS if alone and same and _is_for(payment, invoice) else Verdict.ASK


def _is_for(payment: GatewayPayment, invoice: Invoice) -> bool:
    paid_at = payment.paid_at
    return paid_at is not None and invoice.owed_from - PAID_AHEAD <= paid_at


def _when(payment: GatewayPayment) -> float:
    when = payment.started_at or payment.paid_at
    return when.timestamp() if when else 0.0
