"""The receiver for Paymentwall's pingbacks: accept a signed, unambiguous pingback, store it, answer `OK`, ring.

Paymentwall repeats a pingback every half hour until it gets `OK`, with no known end. So a signed pingback that is
refused opens an alert: an operator must change a setting.
"""

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from billing_worker.domain.errors import InvalidInput, PingbackRefused
from billing_worker.usecases.incoming.apply_pingback import dedupe_key
from billing_worker.usecases.incoming.receive import PAYMENTWALL_PINGBACK, Notification
from billing_worker.usecases.incoming.refuse_pingback import refuse_pingback
from billing_worker.web.context import Context, Ctx, Pingback
from billing_worker.web.errors import ErrorType, Refused, documented

router = APIRouter(tags=["receiver"])


@router.get(
    "/webhooks/paymentwall",
    response_class=Response,
    responses={
        200: {"description": "Stored", "content": {"text/plain": {"schema": {"type": "string", "enum": ["OK"]}}}},
        **documented(400, 403, 404, 500, 503),
    },
)
async def receive_paymentwall(request: Request, context: Ctx) -> Response:
    """Take a Paymentwall pingback (classic, everything in the query string). Answers exactly `OK` when it is stored."""
    pingback = await _accepted(context, request.scope["query_string"])
    if pingback.is_test and context.settings.gateway_is_live:
        text = "a test pingback is refused where real money moves"
        await to_thread.run_sync(refuse_pingback, context.ports, "is_test", {"case": "test", "ref": pingback.ref})
        raise Refused(403, ErrorType.FORBIDDEN, text, "is_test")
    # The parsed type: "00" is also type 0.
    payload = dict(pingback.parameters) | {"type": str(pingback.type)}
    await context.intake.store(Notification(PAYMENTWALL_PINGBACK, dedupe_key(payload), payload))
    # Exactly these two bytes; otherwise Paymentwall sends it again every half hour.
    return Response(b"OK", headers={"Content-Type": "text/plain"})


async def _accepted(context: Context, raw_query: bytes) -> Pingback:
    if context.verify_pingback is None:
        text = "pingbacks are not taken here: BILLING_PAYMENTWALL_SECRET_KEY is not set"
        raise Refused(404, ErrorType.NOT_FOUND, text)
    try:
        return context.verify_pingback(raw_query)
    except PingbackRefused as error:
        facts = {"case": "parameter", "field": error.field, "problem": error.problem}
        await to_thread.run_sync(refuse_pingback, context.ports, error.field, facts)
        raise Refused(400, ErrorType.INVALID_INPUT, error.problem, error.field) from error
    except InvalidInput as error:
        raise Refused(400, ErrorType.INVALID_INPUT, error.problem, error.field) from error
