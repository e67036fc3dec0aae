"""Subscriptions: customers on plans."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.domain.subscription import LONGEST_CUSTOMER, Subscription, SubscriptionStatus
from billing_worker.usecases.cancel import cancel as cancel_subscription
from billing_worker.usecases.subscribe import replace_key
from billing_worker.usecases.subscribe import subscribe as subscribe_customer
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    READS,
    READS_ONE,
    Described,
    Ident,
    Input,
    Moment,
    Name,
    Page,
    Paging,
    Text,
    example,
    page,
)
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/subscriptions", tags=["subscriptions"])


class SubscriptionInput(Input):
    """A customer to put on a plan."""

    model_config = example(plan_id="plan_…", billing_key_id="key_…", customer="user-1")

    plan_id: Name
    billing_key_id: Name
    customer: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CUSTOMER)] = Field(
        description="The merchant's own name for the customer; at most 120 characters"
    )
    start: Moment | None = Field(None, description="When the first period begins; default: now")


class CancelInput(Input):
    """How to end it."""

    at_period_end: bool = Field(default=False, description="Let the current period run out, instead of ending now")


class NewKeyInput(Input):
    """The key to charge from now on."""

    billing_key_id: Name


class SubscriptionQuery(Paging):
    """Which subscriptions to list."""

    status: SubscriptionStatus | None = None


class SubscriptionOutput(BaseModel):
    """A subscription."""

    id: str
    plan_id: str
    billing_key_id: str
    customer: str
    status: SubscriptionStatus
    start: datetime
    next_period_index: int
    next_period_start: datetime
    cancel_at_period_end: bool
    held_since: datetime | None = Field(description="Late periods wait for a person's decision since then")
    canceled_at: datetime | None
    created_at: datetime


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="subscribe")
def subscribe(wanted: SubscriptionInput, context: Ctx) -> SubscriptionOutput:
    """Put a customer on a plan. The first charge is due when the first period begins."""
    made = subscribe_customer(context.ports, wanted.plan_id, wanted.billing_key_id, wanted.customer, start=wanted.start)
    return _shown(made)


@router.get("", responses=READS, name="list_subscriptions")
def list_subscriptions(query: Annotated[SubscriptionQuery, Query()], context: Ctx) -> Page[SubscriptionOutput]:
    """List subscriptions, newest first."""
    with context.ports.database.transaction() as uow:
        return page(uow.subscriptions.list(query.limit + 1, query.status), query.limit, _shown)


@router.get("/{subscription_id}", responses=READS_ONE, name="get_subscription")
def get(subscription_id: Ident, context: Ctx) -> SubscriptionOutput:
    """Show one subscription."""
    with context.ports.database.transaction() as uow:
        return _shown(uow.subscriptions.get(subscription_id))


@router.post("/{subscription_id}/cancel", dependencies=[JSON], responses=CHANGES, name="cancel_subscription")
def cancel(subscription_id: Ident, how: CancelInput, context: Ctx) -> SubscriptionOutput:
    """End a subscription. Once this is answered no charge begins for it (or, at the period's end, no further one)."""
    return _shown(cancel_subscription(context.ports, subscription_id, at_period_end=how.at_period_end))


@router.put("/{subscription_id}/billing-key", dependencies=[JSON], responses=CHANGES, name="replace_billing_key")
def set_key(subscription_id: Ident, new: NewKeyInput, context: Ctx) -> SubscriptionOutput:
    """Charge another card from now on; what is open is tried at once."""
    return _shown(replace_key(context.ports, subscription_id, new.billing_key_id))


def _shown(subscription: Subscription) -> SubscriptionOutput:
    return SubscriptionOutput(
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
        created_at=subscription.created_at,
    )
