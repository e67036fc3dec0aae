"""The receiver: store the webhook, acknowledge, ring. Nothing else happens while the sender waits.

A notification changes nothing by itself: a worker reads the gateway about it.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from billing_worker.usecases.incoming.receive import PORTONE, Notification
from billing_worker.web.context import Context, Ctx
from billing_worker.web.errors import ErrorType, Refused, documented, refusal
from billing_worker.web.hints import FIELDS, hint_in

router = APIRouter(tags=["receiver"])


PORTONE_PATHS = ("/webhooks/portone", "/iamport-callback/schedule")
"""The second one is the path in PortOne's guide."""


class Received(BaseModel):
    """The answer to a stored notification."""

    received: bool = True


_RECEIVED = Received().model_dump_json().encode()
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": FIELDS},
            "application/x-www-form-urlencoded": {"schema": FIELDS},
        },
    }
}


async def take_portone(request: Request, context: Context) -> Response:
    """Store the webhook in a request. Raises Refused."""
    if not context.sources.allow(request.scope):
        text = "webhooks are not taken from this address (BILLING_WEBHOOK_ALLOWED_IPS)"
        raise Refused(403, ErrorType.FORBIDDEN, text)
    hint = hint_in(request.headers.get("content-type", "none/none"), await request.body())
    await context.intake.store(Notification(PORTONE, hint.dedupe_key, hint.fields))
    return Response(_RECEIVED, media_type="application/json")


@router.post(
    PORTONE_PATHS[0],
    response_model=Received,
    openapi_extra=_BODY,
    responses=documented(400, 403, 408, 413, 415, 500, 503),
)
async def receive_portone(request: Request, context: Ctx) -> Response:
    """Take a PortOne webhook. The answer comes when it is stored; a worker then checks it with PortOne."""
    return await take_portone(request, context)


router.add_api_route(
    PORTONE_PATHS[1],
    receive_portone,
    methods=["POST"],
    name="receive_portone_schedule",
    response_model=Received,
    openapi_extra=_BODY,
    responses=documented(400, 403, 408, 413, 415, 500, 503),
)


class Shortcut:
    """Takes PortOne's webhooks before the framework, whose way to the same function costs several times as much."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app, self._context = app, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a webhook; pass on everything else."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in PORTONE_PATHS:
            await self._app(scope, receive, send)
            return
        try:
            response = await take_portone(Request(scope, receive), self._context)
        except Refused as error:
            response = refusal(error)
        await response(scope, receive, send)
