"""Subscriptions: customers on plans."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import LONGEST_CUSTOMER, SubscriptionStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.one import subscription_with
from billing_worker.usecases.reading.views.subscriptions import SubscriptionDetail, SubscriptionView, of_subscription
from billing_worker.usecases.subscription.cancel import cancel as cancel_subscription
from billing_worker.usecases.subscription.change import change_subscription
from billing_worker.usecases.subscription.replace_key import replace_key
from billing_worker.usecases.subscription.subscribe import NewSubscription
from billing_worker.usecases.subscription.subscribe import subscribe as subscribe_customer
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    READS,
    READS_ONE,
    Created,
    Described,
    Id,
    Ident,
    Input,
    Instant,
    LabelledInput,
    Lists,
    MetadataChanges,
    Moment,
    Name,
    OfCustomer,
    OwnId,
    Page,
    PolicyName,
    Text,
    example,
)
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/subscriptions", tags=["subscriptions"])


class SubscriptionInput(LabelledInput):
    """A customer to put on a plan."""

    model_config = example(plan_id="plan_0123456789abcdef", billing_key_id="key_0123456789abcdef", customer="user-1")

    plan_id: Name
    billing_key_id: Name
    customer: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CUSTOMER)] = Field(
        description="The merchant's own name for the customer; at most 120 characters"
    )
    start: Moment | None = Field(None, description="When the first period begins; default: now")
    allow_duplicate: bool = Field(
        default=False, description="Allow another live subscription of this customer on this plan"
    )
    collection: Annotated[Collection, Field(strict=False)] | None = Field(
        None, description="By which way its periods are collected; default: as the plan says"
    )
    dunning_policy: PolicyName | None = Field(
        None, description="Its own policy after a decline; default: that of its plan"
    )


class SubscriptionChanges(Input):
    """The fields of a subscription that may change. A missing field stays as it is."""

    model_config = example(metadata={"team": "sales"})

    metadata: MetadataChanges = Field(
        default_factory=dict, description="Pairs to set; null takes a pair out (RFC 7396)"
    )
    collection: Annotated[Collection, Field(strict=False)] | None = Field(
        None, description="By which way its coming periods are collected"
    )
    dunning_policy: PolicyName | None = Field(
        None, description="The policy after a decline, for invoices to come; an empty text: that of its plan"
    )


class CancelInput(Input):
    """How to end a subscription."""

    model_config = example(at_period_end=True)

    at_period_end: bool = Field(default=False, description="End with the current period, instead of now")


class NewKeyInput(Input):
    """The key to charge from now on."""

    model_config = example(billing_key_id="key_0123456789abcdef")

    billing_key_id: Name


class SubscriptionQuery(Created):
    """The filters of the list of subscriptions."""

    external_id: OwnId = None
    customer: OfCustomer = None
    plan_id: Id | None = Field(None, description="Only on this plan")
    billing_key_id: Id | None = Field(None, description="Only charged on this key")
    status: SubscriptionStatus | None = Field(None, description="Only with this status")
    collection: Collection | None = Field(None, description="Only collected by this way")
    next_period_after: Instant | None = Field(None, description="Whose next period begins at or after this")
    next_period_before: Instant | None = Field(None, description="Whose next period begins before this")
    due: bool | None = Field(None, description="true: only those whose period has begun and has no invoice yet")


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="subscribe")
def subscribe(wanted: SubscriptionInput, context: Ctx) -> SubscriptionView:
    """Put a customer on a plan. The first charge is due when the first period begins."""
    made = subscribe_customer(context.ports, NewSubscription(**wanted.model_dump()))
    return of_subscription(made)


@router.get("", responses=READS, name="list_subscriptions")
def list_subscriptions(query: Annotated[SubscriptionQuery, Query()], lists: Lists) -> Page[SubscriptionView]:
    """List subscriptions, newest first."""
    return lists.of(Kind.SUBSCRIPTIONS, query)


@router.get("/{subscription_id}", responses=READS_ONE, name="get_subscription")
def get(subscription_id: Ident, context: Ctx) -> SubscriptionDetail:
    """Show one subscription with its newest invoices."""
    return subscription_with(context.ports, subscription_id)


@router.patch("/{subscription_id}", dependencies=[JSON], responses=CHANGES, name="change_subscription")
def change(subscription_id: Ident, changes: SubscriptionChanges, context: Ctx) -> SubscriptionView:
    """Change a subscription's metadata, its dunning policy, or the way in which coming periods are collected."""
    changed = change_subscription(
        context.ports,
        subscription_id,
        metadata=changes.metadata,
        collection=changes.collection,
        dunning_policy=changes.dunning_policy,
    )
    return of_subscription(changed)


@router.post("/{subscription_id}/cancel", dependencies=[JSON], responses=CHANGES, name="cancel_subscription")
def cancel(subscription_id: Ident, how: CancelInput, context: Ctx) -> SubscriptionView:
    """End a subscription. After this answer no charge begins for it (at the period's end: no further one)."""
    return of_subscription(cancel_subscription(context.ports, subscription_id, at_period_end=how.at_period_end))


@router.put("/{subscription_id}/billing-key", dependencies=[JSON], responses=CHANGES, name="replace_billing_key")
def set_key(subscription_id: Ident, new: NewKeyInput, context: Ctx) -> SubscriptionView:
    """Charge another card from now on. Open invoices are tried at once."""
    return of_subscription(replace_key(context.ports, subscription_id, new.billing_key_id))
