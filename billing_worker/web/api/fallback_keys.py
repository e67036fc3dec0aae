"""Fallback keys: the further cards of a subscription, charged where the main one cannot be."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from billing_worker.domain.fallback import LONGEST_CONSENT
from billing_worker.usecases.reading.fallbacks import fallbacks_of
from billing_worker.usecases.reading.views.fallbacks import FallbacksView, FallbackView, of_fallback
from billing_worker.usecases.subscription.fallbacks import NewFallback, add_fallback, remove_fallback
from billing_worker.web.api.shapes import (
    ACTS,
    CHANGES,
    JSON,
    READS_ONE,
    Described,
    Ident,
    Input,
    Moment,
    Name,
    Text,
    example,
)
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/subscriptions/{subscription_id}/fallback-keys", tags=["subscriptions"])


class FallbackInput(Input):
    """A further card, with the customer's consent."""

    model_config = example(
        billing_key_id="key_0123456789abcdef",
        consented_at="2026-03-31T09:00:00+09:00",
        consent="terms 2026-03, clause 4",
    )

    billing_key_id: Name
    consented_at: Moment = Field(description="When the customer agreed")
    consent: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CONSENT)] = Field(
        description="What the customer agreed to: the text, or a reference to it", examples=["terms 2026-03, clause 4"]
    )
    allow_same_card: bool = Field(
        default=False, description="They are two cards, although both show the same last digits"
    )


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="add_fallback_key")
def add(subscription_id: Ident, wanted: FallbackInput, context: Ctx) -> FallbackView:
    """Add a further card at the end of the order; at most four. A repeat returns the first one's record."""
    return of_fallback(add_fallback(context.ports, NewFallback(subscription_id, **wanted.model_dump())))


@router.get("", responses=READS_ONE, name="list_fallback_keys")
def list_(subscription_id: Ident, context: Ctx) -> FallbacksView:
    """List the further cards in the order in which they are charged."""
    return fallbacks_of(context.ports, subscription_id)


@router.delete("/{billing_key_id}", responses=ACTS, name="remove_fallback_key")
def remove(subscription_id: Ident, billing_key_id: Ident, context: Ctx) -> FallbackView:
    """Take a further card out of the order. The record of the consent stays."""
    return of_fallback(remove_fallback(context.ports, subscription_id, billing_key_id))
