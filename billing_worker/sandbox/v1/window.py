"""A stand-in for the payment window: `iamport.js`, and the window in which a tester gives a card.

On a desktop the window is a frame over the shop's page, and its result goes to the callback. On a phone the browser
leaves the shop, and comes back to `m_redirect_url` with `imp_uid`, `merchant_uid` and `imp_success` (documented).
"""

from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from billing_worker.sandbox import texts
from billing_worker.sandbox.records import Json, Key, Payment
from billing_worker.sandbox.v1.charging import NEVER_REUSES
from billing_worker.sandbox.wire import Refused, number, read_fields, text
from billing_worker.sandbox.world.behaviours import BEHAVIOURS, OK
from billing_worker.sandbox.world.choosing import provider_of
from billing_worker.sandbox.world.gateway import PAYMENTWALL, Gateway, Order
from billing_worker.sandbox.world.paymentwall import Paymentwall
from billing_worker.sandbox.world.rules import Plan

DECLINED = BEHAVIOURS["decline-stolen"]
ECHOED = ("name", "buyer_name", "buyer_email", "buyer_tel", "custom_data", "notice_url")
CLOSED = "[결제포기] 사용자가 결제를 취소하셨습니다"


class Window:
    """The SDK, the window, and what becomes of it."""

    def __init__(self, gateway: Gateway, paymentwall: Paymentwall) -> None:
        self._gateway = gateway
        self._paymentwall = paymentwall

    def routes(self) -> list[Route]:
        """Return the routes: none needs a token, since a browser asks."""
        return [
            Route("/v1/iamport.js", _file("iamport.js", "text/javascript")),
            Route("/v1/window", _file("window.html", "text/html")),
            Route("/v1/window", self.decide, methods=["POST"]),
        ]

    async def decide(self, request: Request) -> Response:
        """Take the tester's decision: {request, action: card|decline|close, card_number?}."""
        fields = await read_fields(request)
        wanted: Any = fields.get("request")
        wanted = wanted if isinstance(wanted, dict) else {}
        try:
            answer = await self._decided(wanted, text(fields, "action"), text(fields, "card_number"))
        except Refused as refused:
            answer = _failure(wanted, refused.message, "")
        await self._gateway.books.durable()
        return JSONResponse(answer)

    async def _decided(self, wanted: Json, action: str, card_number: str) -> Json:
        if action == "close":
            return _failure(wanted, CLOSED, "")
        for name in ("customer_uid", "merchant_uid"):
            if not text(wanted, name):
                raise Refused(texts.missing(name))
        provider = provider_of(text(wanted, "customer_uid"), text(wanted, "pg"))
        if self._gateway.books.blocks(text(wanted, "merchant_uid"), failed_too=provider in NEVER_REUSES):
            raise Refused(texts.DUPLICATE)
        if action == "decline":
            payment = self._enter(wanted, self._card(wanted, provider, card_number), accepted=False)
            return _failure(wanted, payment.fail_reason or "", payment.imp_uid)
        if provider == PAYMENTWALL:
            issued = await self._paymentwall.issue(wanted | {"card_number": card_number})
            return _success(wanted, issued["imp_uid"])
        key = self._gateway.new_key(text(wanted, "customer_uid"), provider, card_number)
        return _success(wanted, self._enter(wanted, key, accepted=True).imp_uid)

    def _card(self, wanted: Json, provider: str, card_number: str) -> Key:
        """A card that is not kept."""
        return Key(customer_uid=text(wanted, "customer_uid"), pg_provider=provider, card_number=card_number)

    def _enter(self, wanted: Json, key: Key, *, accepted: bool) -> Payment:
        order = Order(
            customer_uid=text(wanted, "customer_uid"),
            merchant_uid=text(wanted, "merchant_uid"),
            amount=number(wanted, "amount") or 0,
            currency=text(wanted, "currency") or "KRW",
            given={name: wanted[name] for name in ECHOED if wanted.get(name) is not None},
            usage="issue",
            origin="window",
            channel="pc",
        )
        payment = self._gateway.enter(order, key, Plan.of(OK if accepted else DECLINED))
        if payment is None:
            raise Refused(texts.BAD_BODY)
        self._gateway.notify(payment)
        return payment


def _file(name: str, kind: str) -> Any:
    async def endpoint(_: Request) -> Response:
        content = files("billing_worker.sandbox.v1").joinpath(name).read_bytes()
        return Response(content, media_type=kind, headers={"Cache-Control": "no-store"})

    return endpoint


def _success(wanted: Json, imp_uid: str) -> Json:
    names = {"merchant_uid": text(wanted, "merchant_uid"), "customer_uid": text(wanted, "customer_uid")}
    return {"success": True, "imp_success": True, "imp_uid": imp_uid, "error_msg": None} | names


def _failure(wanted: Json, message: str, imp_uid: str) -> Json:
    named = {"merchant_uid": text(wanted, "merchant_uid"), "imp_uid": imp_uid or None}
    return {"success": False, "imp_success": False, "error_code": "F0000", "error_msg": message} | named
