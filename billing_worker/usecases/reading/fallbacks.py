"""The fallback keys of a subscription, for people and programs."""

from billing_worker.ports.bundle import Ports
from billing_worker.usecases.reading.views.fallbacks import FallbacksView, of_fallbacks


def fallbacks_of(ports: Ports, subscription_id: str, *, ended: bool = False) -> FallbacksView:
    """Its fallback keys in their order; with `ended` also those that are none any more. Raises NotFound."""
    with ports.database.transaction() as uow:
        found = uow.fallbacks.of_subscription(uow.subscriptions.get(subscription_id).id)
    return of_fallbacks([each for each in found if ended or each.ended_at is None])
