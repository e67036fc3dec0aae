"""The views of a subscription."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.invoice import Invoice
from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.usecases.reading.views.fields import (
    EXTERNAL_ID,
    KEY_ID,
    METADATA,
    OWN_POLICY,
    PLAN_ID,
    SUBSCRIPTION_ID,
    described,
    view_of,
)
from billing_worker.usecases.reading.views.invoices import InvoiceView, of_invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription."""

    id: str = field(metadata=SUBSCRIPTION_ID)
    plan_id: str = field(metadata=PLAN_ID)
    billing_key_id: str = field(metadata=KEY_ID)
    customer: str = field(metadata=described(example="user-1"))
    status: SubscriptionStatus
    start: datetime
    next_period_index: int
    next_period_start: datetime
    cancel_at_period_end: bool
    collection: Collection = field(metadata=described("By which way its coming periods are collected"))
    dunning_policy: str | None = field(metadata=OWN_POLICY)
    held_since: datetime | None = field(metadata=described("Late periods wait for an operator's decision since then"))
    canceled_at: datetime | None
    allow_duplicate: bool = field(
        metadata=described("Intended in addition to another live one of this customer on this plan")
    )
    external_id: str | None = field(metadata=EXTERNAL_ID)
    metadata: dict[str, str] = field(metadata=METADATA)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionDetail(SubscriptionView):
    """A subscription with its newest 100 invoices."""

    invoices: list[InvoiceView] = field(metadata=described("The newest 100, newest first"))


def of_subscription(subscription: Subscription) -> SubscriptionView:
    """The view of a subscription."""
    return view_of(SubscriptionView, subscription, start=subscription.anchor, metadata=dict(subscription.metadata))


def detail_of_subscription(subscription: Subscription, invoices: Sequence[Invoice]) -> SubscriptionDetail:
    """The view of a subscription with its invoices."""
    shown = [of_invoice(invoice) for invoice in invoices]
    return view_of(SubscriptionDetail, of_subscription(subscription), invoices=shown)
