"""What happened, in the past tense: written to the outbox in the same transaction as the state."""

from dataclasses import dataclass
from enum import StrEnum


class EventType(StrEnum):
    """The events a merchant can receive."""

    INVOICE_PAID = "invoice.paid"
    INVOICE_PAYMENT_FAILED = "invoice.payment_failed"
    INVOICE_UNCOLLECTIBLE = "invoice.uncollectible"
    INVOICE_VOIDED = "invoice.voided"
    SUBSCRIPTION_CREATED = "subscription.created"
    SUBSCRIPTION_ACTIVATED = "subscription.activated"
    SUBSCRIPTION_PAST_DUE = "subscription.past_due"
    SUBSCRIPTION_UNPAID = "subscription.unpaid"
    SUBSCRIPTION_PERIODS_SKIPPED = "subscription.periods_skipped"
    SUBSCRIPTION_CANCELED = "subscription.canceled"
    BILLING_KEY_ACTIVATED = "billing_key.activated"
    BILLING_KEY_INVALID = "billing_key.invalid"
    PAYMENTWALL_SUBSCRIPTION_CANCELED = "paymentwall.subscription_canceled"
    PAYMENTWALL_SUBSCRIPTION_EXPIRED = "paymentwall.subscription_expired"
    PAYMENTWALL_SUBSCRIPTION_PAYMENT_FAILED = "paymentwall.subscription_payment_failed"
    PAYMENT_SURPLUS = "payment.surplus"
    PAYMENT_REFUNDED = "payment.refunded"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one subject (a subscription, invoice or key)."""

    type: EventType
    subject_id: str
    data: dict[str, str | int | None]
