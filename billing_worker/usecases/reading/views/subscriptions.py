"""What is shown of a subscription."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.invoice import Invoice
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.usecases.reading.views.fields import EXTERNAL_ID, KEY_ID, METADATA, PLAN_ID, SUBSCRIPTION_ID, told
from billing_worker.usecases.reading.views.invoices import InvoiceView, of_invoice
from billing_worker.usecases.reading.views.joined import joined


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription."""

    id: str = field(metadata=SUBSCRIPTION_ID)
    plan_id: str = field(metadata=PLAN_ID)
    billing_key_id: str = field(metadata=KEY_ID)
    customer: str = field(metadata=told(example="user-1"))
    status: SubscriptionStatus
    start: datetime
    next_period_index: int
    next_period_start: datetime
    cancel_at_period_end: bool
    held_since: datetime | None = field(metadata=told("Late periods wait for an operator's decision since then"))
    canceled_at: datetime | None
    allow_duplicate: bool = field(metadata=told("Meant beside another live one of this customer on this plan"))
    external_id: str | None = field(metadata=EXTERNAL_ID)
    metadata: dict[str, str] = field(metadata=METADATA)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionDetail(SubscriptionView):
    """A subscription with its newest 100 invoices."""

    invoices: list[InvoiceView] = field(metadata=told("The newest 100, newest first"))


def of_subscription(subscription: Subscription) -> SubscriptionView:
    """The view of a subscription."""
    return SubscriptionView(
        id=subscription.id,
        plan_id=subscription.plan_id,
        billing_key_id=subscription.billing_key_id,
        customer=subscription.customer,
        status=subscription.status,
        start=subscription.anchor,
        next_period_index=subscription.next_period_index,
        next_period_start=subscription.next_period_start,
        cancel_at_period_end=subscription.cancel_at_period_end,
        held_since=subscription.held_since,
        canceled_at=subscription.canceled_at,
        allow_duplicate=subscription.allow_duplicate,
        external_id=subscription.external_id,
        metadata=dict(subscription.metadata),
        created_at=subscription.created_at,
    )


def detail_of_subscription(subscription: Subscription, invoices: Sequence[Invoice]) -> SubscriptionDetail:
    """The view of a subscription with its invoices."""
    shown = [of_invoice(invoice) for invoice in invoices]
    return joined(SubscriptionDetail, of_subscription(subscription), invoices=shown)
