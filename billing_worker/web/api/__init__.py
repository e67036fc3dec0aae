"""The HTTP API, version 1."""

from fastapi import APIRouter

from billing_worker.web.api import billing_keys, events, inbox, insight, invoices, plans, refunds, stops, subscriptions

router = APIRouter(prefix="/v1")
for _module in (plans, billing_keys, subscriptions, invoices, refunds, stops, inbox, events, insight):
    router.include_router(_module.router)

__all__ = ["router"]
