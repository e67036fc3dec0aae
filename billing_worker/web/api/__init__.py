"""The HTTP API, version 1."""

from fastapi import APIRouter, Depends

from billing_worker.web.api import (
    actions,
    alerts,
    billing_keys,
    card_keys,
    card_payments,
    card_sessions,
    customers,
    declines,
    dunning_policies,
    events,
    fallback_keys,
    inbox,
    insight,
    invoices,
    notices,
    payments,
    pgs,
    plans,
    recovery,
    refunds,
    schedules,
    shadow,
    stops,
    subscriptions,
)
from billing_worker.web.errors import refuse_as_identifier

router = APIRouter(prefix="/v1", dependencies=[Depends(refuse_as_identifier)])
for _module in (
    plans,
    dunning_policies,
    card_keys,
    billing_keys,
    card_sessions,
    pgs,
    declines,
    recovery,
    subscriptions,
    fallback_keys,
    customers,
    invoices,
    card_payments,
    payments,
    refunds,
    schedules,
    shadow,
    stops,
    alerts,
    actions,
    inbox,
    events,
    notices,
):
    router.include_router(_module.router)
router.include_router(invoices.attempts)
router.include_router(insight.router)

__all__ = ["router"]
