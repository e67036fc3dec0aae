"""The answer of a behaviour, honest or not."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from billing_worker.sandbox import texts
from billing_worker.sandbox.records import Json, Payment
from billing_worker.sandbox.wire import Dropped, envelope, unauthorized
from billing_worker.sandbox.world.behaviours import Behaviour, Reply
from billing_worker.sandbox.world.payment_view import payment_answer

PAGE = "<html><head><title>{0} Bad Gateway</title></head><body><center><h1>{0} Bad Gateway</h1></center></body></html>"
NEW_FIELDS: Json = {"settlement_tier": "T2", "network_token": {"kind": "vts", "rotated": True}, "risk_score": 12.5}


def reply_to(behaviour: Behaviour, payment: Payment | None, request: Request) -> Response:  # noqa: PLR0911 - a table
    """Return a behaviour's answer about a payment, or about none."""
    match behaviour.reply:
        case Reply.PAYMENT:
            return _paid(payment)
        case Reply.AMOUNT_TEXT:
            return _paid(payment, amounts_as_text=True)
        case Reply.NEW_FIELDS:
            return _paid(payment, extra=NEW_FIELDS)
        case Reply.REFUSAL:
            return envelope(None, code=behaviour.code, message=behaviour.message or texts.COMMUNICATION)
        case Reply.CUT:
            return Dropped(_paid(payment))
        case Reply.TRUNCATED:
            return _half(_paid(payment))
    return fault(behaviour, request)


def reply_after(behaviour: Behaviour, answer: Response, request: Request) -> Response:
    """Return what a behaviour leaves of the answer to a call that charges nothing."""
    match behaviour.reply:
        case Reply.PAYMENT | Reply.AMOUNT_TEXT | Reply.NEW_FIELDS:
            return answer
        case Reply.CUT:
            return Dropped(answer)
        case Reply.TRUNCATED:
            return _half(answer)
    return fault(behaviour, request)


def fault(behaviour: Behaviour, request: Request) -> Response:  # noqa: PLR0911 - a table
    """Return a fault, which says nothing about a payment; any endpoint may return it."""
    match behaviour.reply:
        case Reply.DROP | Reply.CUT:
            return Dropped()
        case Reply.GARBLED:
            return Response(b"\x00\xff{]upstream reset\x00", media_type="application/json")
        case Reply.TRUNCATED:
            return Response(b'{"code":0,"message":null,"respon', media_type="application/json")
        case Reply.ERROR_HTML:
            return HTMLResponse(PAGE.format(behaviour.http), status_code=behaviour.http)
        case Reply.UNAUTHORIZED:
            return unauthorized()
        case Reply.RATE_LIMIT:
            answer = envelope(None, code=-1, message="Too Many Requests", http=429)
            answer.headers["Retry-After"] = behaviour.retry_after
            return answer
        case Reply.REDIRECT:
            return RedirectResponse(f"{request.url.path}?redirected=1", status_code=307)
        case Reply.REFUSAL:
            return envelope(None, code=behaviour.code, message=behaviour.message or texts.COMMUNICATION)
    return envelope(None, code=-1, message="Internal Server Error", http=behaviour.http)


def _half(answer: Response) -> Response:
    whole = bytes(answer.body)
    return Response(whole[: len(whole) // 2], media_type="application/json")


def _paid(payment: Payment | None, *, amounts_as_text: bool = False, extra: Json | None = None) -> Response:
    if payment is None:
        return envelope(None, code=-1, message=texts.COMMUNICATION)
    answer = payment_answer(payment)
    if amounts_as_text:
        answer.update({name: str(answer[name]) for name in ("amount", "cancel_amount")})
    return envelope(answer | (extra or {}))
