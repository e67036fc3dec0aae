"""The views of a fallback key."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.fallback import FallbackEnd, FallbackKey
from billing_worker.usecases.reading.views.fields import KEY_ID, SUBSCRIPTION_ID, described, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackView:
    """A further card of a subscription, with the customer's consent to charge it."""

    id: str = field(metadata=described(example="fbk_0123456789abcdef"))
    subscription_id: str = field(metadata=SUBSCRIPTION_ID)
    billing_key_id: str = field(metadata=KEY_ID)
    position: int = field(metadata=described("Its place in the order", example=1))
    consented_at: datetime = field(metadata=described("When the customer agreed"))
    consent: str = field(metadata=described("What the customer agreed to", example="terms 2026-03, clause 4"))
    added_by: str = field(metadata=described("The actor who recorded it", example="cli:kim"))
    added_at: datetime
    ended_because: FallbackEnd | None = field(metadata=described("Why it is none any more"))
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbacksView:
    """The fallback keys of a subscription, in the order in which they are charged."""

    data: list[FallbackView]


def of_fallback(fallback: FallbackKey) -> FallbackView:
    """The view of a fallback key."""
    return view_of(FallbackView, fallback)


def of_fallbacks(fallbacks: Sequence[FallbackKey]) -> FallbacksView:
    """The view of several."""
    return FallbacksView(data=[of_fallback(each) for each in fallbacks])
