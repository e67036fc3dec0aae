"""The receiver: store what came, acknowledge, ring. Nothing else happens while the sender waits.

Whatever a notification claims, it changes nothing by itself: a worker reads the gateway about it.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from billing_worker.usecases.inbox import PORTONE, Notification
from billing_worker.web.context import Ctx
from billing_worker.web.errors import ErrorType, Refused, documented
from billing_worker.web.hints import FIELDS, Hint, read_hint

router = APIRouter(tags=["receiver"])


class Received(BaseModel):
    """The notification is stored and will be looked into."""

    received: bool = True


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": FIELDS},
            "application/x-www-form-urlencoded": {"schema": FIELDS},
        },
    }
}


async def _from_allowed_source(request: Request, context: Ctx) -> None:
    if not context.sources.allow(request.scope):
        text = "webhooks are not taken from this address (BILLING_WEBHOOK_ALLOWED_IPS)"
        raise Refused(403, ErrorType.FORBIDDEN, text)


@router.post(
    "/webhooks/portone",
    dependencies=[Depends(_from_allowed_source)],
    openapi_extra=_BODY,
    responses=documented(400, 403, 408, 413, 415, 500, 503),
)
async def receive_portone(hint: Annotated[Hint, Depends(read_hint)], context: Ctx) -> Received:
    """Take a PortOne webhook. The answer comes when it is stored; it is then checked with PortOne."""
    await context.intake.store(Notification(PORTONE, hint.dedupe_key, hint.fields))
    return Received()


router.add_api_route(
    "/iamport-callback/schedule",
    receive_portone,
    methods=["POST"],
    name="receive_portone_schedule",
    dependencies=[Depends(_from_allowed_source)],
    openapi_extra=_BODY,
    responses=documented(400, 403, 408, 413, 415, 500, 503),
)
