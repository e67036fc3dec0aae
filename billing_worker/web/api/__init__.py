"""The HTTP API, version 1."""

from fastapi import APIRouter

from billing_worker.web.api import (
    actions,
    alerts,
    billing_keys,
    customers,
    events,
    inbox,
    insight,
    invoices,
    pgs,
    plans,
    refunds,
    stops,
    subscriptions,
)

router = APIRouter(prefix="/v1")
for _module in (
    plans,
    billing_keys,
    pgs,
    subscriptions,
    customers,
    invoices,
    refunds,
    stops,
    alerts,
    actions,
    inbox,
    events,
):
    router.include_router(_module.router)
router.include_router(invoices.attempts)
router.include_router(insight.router)

__all__ = ["router"]
