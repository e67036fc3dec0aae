"""The events that a merchant receives: written to the outbox in the same transaction as the state.

A merchant can act on an event without another request: it has ids, the present status of its subject, money, period and
reason. It never has a card, a `customer_uid`, a secret, or a customer's address.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing_worker.domain.alert_rules import RULES
from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.refund import Refund
from billing_worker.domain.subscription import Subscription

PAYLOAD_VERSION = 1
"""The version of the fields below. It grows when a field changes its meaning or goes away, not when one is added."""

Value = str | int | None | Facts
Data = dict[str, Value]


class EventType(StrEnum):
    """The events a merchant can receive."""

    INVOICE_PAID = "invoice.paid"
    INVOICE_PAYMENT_FAILED = "invoice.payment_failed"
    INVOICE_UNCOLLECTIBLE = "invoice.uncollectible"
    INVOICE_REOPENED = "invoice.reopened"
    INVOICE_VOIDED = "invoice.voided"
    SUBSCRIPTION_CREATED = "subscription.created"
    SUBSCRIPTION_ACTIVATED = "subscription.activated"
    SUBSCRIPTION_PAST_DUE = "subscription.past_due"
    SUBSCRIPTION_UNPAID = "subscription.unpaid"
    SUBSCRIPTION_PERIODS_SKIPPED = "subscription.periods_skipped"
    SUBSCRIPTION_CANCEL_SCHEDULED = "subscription.cancel_scheduled"
    SUBSCRIPTION_CANCELED = "subscription.canceled"
    SUBSCRIPTION_KEY_CHANGED = "subscription.key_changed"
    BILLING_KEY_ACTIVATED = "billing_key.activated"
    BILLING_KEY_INVALID = "billing_key.invalid"
    BILLING_KEY_EXPIRING = "billing_key.expiring"
    PAYMENTWALL_SUBSCRIPTION_CANCELED = "paymentwall.subscription_canceled"
    PAYMENTWALL_SUBSCRIPTION_EXPIRED = "paymentwall.subscription_expired"
    PAYMENTWALL_SUBSCRIPTION_PAYMENT_FAILED = "paymentwall.subscription_payment_failed"
    PAYMENT_SURPLUS = "payment.surplus"
    PAYMENT_REFUNDED = "payment.refunded"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    ALERT_OPENED = "alert.opened"
    ALERT_CLOSED = "alert.closed"


OF_KEYS = frozenset({EventType.BILLING_KEY_ACTIVATED, EventType.BILLING_KEY_INVALID, EventType.BILLING_KEY_EXPIRING})
"""A key may serve several subscriptions, so its events have an order of their own."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one subject (a subscription, invoice, refund, key or alert)."""

    type: EventType
    subject_id: str
    data: Data

    @property
    def stream_id(self) -> str:
        """The stream that orders its delivery: its subscription, else its invoice, else its subject."""
        owner = self.data.get("subscription_id") or self.data.get("invoice_id")
        return self.subject_id if owner is None or self.type in OF_KEYS else str(owner)


def about_subscription(subscription: Subscription) -> Data:
    """The fields that name the subscription and its customer."""
    return {
        "subscription_id": subscription.id,
        "customer": subscription.customer,
        "plan_id": subscription.plan_id,
        "billing_key_id": subscription.billing_key_id,
    }


def about_invoice(subscription: Subscription | None, invoice: Invoice) -> Data:
    """The subscription, the period and the amount. Money in minor units, times in UTC.

    A single payment has neither a subscription nor a period: those fields are null.
    """
    period = invoice.period
    whose = _about_single(invoice) if subscription is None else about_subscription(subscription)
    return whose | {
        "billing_key_id": invoice.billing_key_id,
        "invoice_id": invoice.id,
        "merchant_uid": invoice.merchant_uid,
        "amount": invoice.money.amount,
        "currency": invoice.money.currency,
        "period_start": period.start.isoformat() if period else None,
        "period_end": period.end.isoformat() if period else None,
    }


def _about_single(invoice: Invoice) -> Data:
    """The merchant's own text comes back with it: its order may have no other name than that."""
    whose: Data = {"subscription_id": None, "customer": invoice.of_single.customer, "plan_id": None}
    return whose | {"custom_data": invoice.options.custom_data}


def of_subscription(kind: EventType, subscription: Subscription, **more: Value) -> Event:
    """An event of a subscription."""
    return _event(kind, subscription.id, about_subscription(subscription) | {"status": subscription.status} | more)


def of_subscription_by(kind: EventType, subscription: Subscription, invoice: Invoice, **more: Value) -> Event:
    """An event of a subscription, caused by one of its invoices."""
    data = about_invoice(subscription, invoice) | {"status": subscription.status} | more
    return _event(kind, subscription.id, data)


def of_invoice(kind: EventType, subscription: Subscription | None, invoice: Invoice, **more: Value) -> Event:
    """An event of an invoice."""
    state: Data = {"status": invoice.status, "declines": invoice.declines}
    return _event(kind, invoice.id, about_invoice(subscription, invoice) | state | more)


def of_key(kind: EventType, key: BillingKey, **more: Value) -> Event:
    """An event of a billing key."""
    data: Data = {"billing_key_id": key.id, "pg_provider": key.pg_provider, "status": key.status}
    return _event(kind, key.id, data | more)


def of_refund(
    kind: EventType, refund: Refund, subscription: Subscription | None, invoice: Invoice, imp_uid: str | None
) -> Event:
    """An event of a refund."""
    data = about_invoice(subscription, invoice) | {
        "refund_id": refund.id,
        "imp_uid": imp_uid,
        "amount": refund.money.amount,
        "cause": refund.cause,
        "status": refund.status,
        "reason": refund.reason,
        "note": refund.note,
    }
    return _event(kind, refund.id, data)


def of_alert(
    alert_id: int, kind: str, subject_id: str, facts: Facts | None, *, opened_at: datetime, closed_at: datetime | None
) -> Event:
    """An event of an alert: facts, and no sentence. One of an earlier release may have neither facts nor a rule."""
    rule = RULES[AlertKind(kind)] if kind in set(AlertKind) else None
    data: Data = {
        "alert_id": alert_id,
        "status": "open" if closed_at is None else "closed",
        "kind": kind,
        "severity": rule.severity if rule is not None else None,
        "concerns": rule.concerns if rule is not None else None,
        "subject": subject_id,
        "facts": facts,
        "opened_at": opened_at.isoformat(),
        "closed_at": closed_at.isoformat() if closed_at is not None else None,
    }
    return _event(EventType.ALERT_OPENED if closed_at is None else EventType.ALERT_CLOSED, f"alert_{alert_id}", data)


def _event(kind: EventType, subject_id: str, data: Data) -> Event:
    """An event with plain text for statuses, as a row returns them."""
    return Event(kind, subject_id, {name: str(v) if isinstance(v, StrEnum) else v for name, v in data.items()})
