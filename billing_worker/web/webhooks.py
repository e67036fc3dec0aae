"""The receiver: store what came, acknowledge, ring. Nothing else happens while the sender waits.

Whatever a notification claims, it changes nothing by itself: a worker reads the gateway about it.
"""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from billing_worker.domain.errors import InvalidInput
from billing_worker.usecases.inbox import PAYMENTWALL_PINGBACK, PORTONE, Notification
from billing_worker.web.context import Ctx
from billing_worker.web.errors import ErrorType, Refused, documented
from billing_worker.web.hints import FIELDS, Hint, read_hint

LONGEST_REF = 255
"""Characters; real ones have about a dozen. The index that drops repetitions takes no entry of several kilobytes."""

router = APIRouter(tags=["receiver"])

_log = structlog.get_logger("billing.web")


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


@router.get(
    "/webhooks/paymentwall",
    response_class=Response,
    responses={
        200: {"description": "Stored", "content": {"text/plain": {"schema": {"type": "string", "enum": ["OK"]}}}},
        **documented(400, 403, 404, 500, 503),
    },
)
async def receive_paymentwall(request: Request, context: Ctx) -> Response:
    """Take a Paymentwall pingback (classic, everything in the query string). Answers exactly `OK` once it is stored."""
    if context.verify_pingback is None:
        text = "pingbacks are not taken here: BILLING_PAYMENTWALL_SECRET_KEY is not set"
        raise Refused(404, ErrorType.NOT_FOUND, text)
    try:
        pingback = context.verify_pingback(request.scope["query_string"])
    except InvalidInput as error:
        raise Refused(400, ErrorType.INVALID_INPUT, error.problem, error.field) from error
    if pingback.is_test and context.settings.gateway_is_live:
        _log.warning("pingback.test_refused", ref=pingback.ref)
        raise Refused(403, ErrorType.FORBIDDEN, "a test pingback is not taken where real money moves", "is_test")
    if len(pingback.ref) > LONGEST_REF:
        raise Refused(400, ErrorType.INVALID_INPUT, f"may have at most {LONGEST_REF} characters", "ref")
    payload = {name: value for name, value in pingback.parameters.items() if name != "sig"}
    # As it was read: "00" is type 0 as well.
    payload |= {"uid": pingback.uid, "ref": pingback.ref, "type": str(pingback.type)}
    dedupe_key = f"{pingback.ref}|{pingback.type}"
    await context.intake.store(Notification(PAYMENTWALL_PINGBACK, dedupe_key, payload))
    # Exactly these two bytes, or Paymentwall sends it again every half hour.
    return Response(b"OK", headers={"Content-Type": "text/plain"})
