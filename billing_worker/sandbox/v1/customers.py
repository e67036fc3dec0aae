"""Billing keys: /subscribe/customers and the charge that issues one, /subscribe/payments/onetime."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing_worker.sandbox import texts
from billing_worker.sandbox.records import Json, Key
from billing_worker.sandbox.v1.charging import Charging
from billing_worker.sandbox.v1.gate import Gate
from billing_worker.sandbox.v1.payments import paged
from billing_worker.sandbox.wire import Refused, envelope, many, text
from billing_worker.sandbox.world.choosing import provider_of
from billing_worker.sandbox.world.gateway import PAYMENTWALL, Gateway
from billing_worker.sandbox.world.payment_view import CUSTOMER_FIELDS, customer_answer
from billing_worker.sandbox.world.paymentwall import Paymentwall

PAGE = 20  # documented for a customer's payments
BAD_CARD = "0000"  # a card number with this ending cannot be registered


class Customers:
    """Issue, read, list and delete keys."""

    def __init__(self, gateway: Gateway, gate: Gate, charging: Charging, paymentwall: Paymentwall) -> None:
        self._gateway = gateway
        self._gate = gate
        self._charging = charging
        self._paymentwall = paymentwall

    def routes(self) -> list[Route]:
        """Return the routes."""
        guard, one = self._gate.guard, "/subscribe/customers/{customer_uid}"
        return [
            Route("/subscribe/payments/onetime", guard("onetime", self.onetime), methods=["POST"]),
            Route("/subscribe/customers", guard("customers", self.several)),
            Route(f"{one}/payments", guard("read", self.payments)),
            Route(one, guard("issue", self.issue), methods=["POST"]),
            Route(one, guard("delete", self.delete), methods=["DELETE"]),
            Route(one, guard("customers", self.one)),
        ]

    async def issue(self, request: Request, fields: Json) -> Response:
        """Store a card under a customer_uid without charging it."""
        for name in ("card_number", "expiry"):
            if not text(fields, name):
                raise Refused(texts.missing(name))
        if text(fields, "card_number").endswith(BAD_CARD):
            raise Refused(texts.ISSUE_FAILED + texts.fail_reason_text("number", "nice"), code=-1)
        key = store_card(self._gateway, request.path_params["customer_uid"], fields)
        return envelope(customer_answer(key, sandbox=self._gateway.options.test_channel))

    async def onetime(self, request: Request, fields: Json) -> Response:
        """Charge a card, and keep it under customer_uid if one is given."""
        for name in ("merchant_uid", "card_number", "expiry"):
            if not text(fields, name):
                raise Refused(texts.missing(name))
        if text(fields, "card_number").endswith(BAD_CARD):
            raise Refused(texts.ONETIME_FAILED + texts.fail_reason_text("number", "nice"), code=-1)
        uid = text(fields, "customer_uid")
        provider = provider_of(uid, text(fields, "pg"))
        if provider == PAYMENTWALL and uid:
            return envelope(await self._paymentwall.issue(fields))
        key = Key(customer_uid=uid, pg_provider=provider, card_number=text(fields, "card_number"))
        order = self._charging.order(fields | {"customer_uid": uid or "-"}, request)
        order.customer_uid, order.origin, order.usage = uid, "onetime", "issue" if uid else None
        self._charging.fit(order, key)
        answer = await self._charging.perform(
            order, key, self._gateway.plan("onetime", key, order.merchant_uid), request
        )
        if uid:
            paid = self._gateway.books.under(order.merchant_uid, "paid")
            if paid and paid[-1].customer_uid == uid:
                store_card(self._gateway, uid, fields)
        return answer

    async def one(self, request: Request, _: Json) -> Response:
        """Answer GET /subscribe/customers/{customer_uid}."""
        uid = request.path_params["customer_uid"]
        key = self._gateway.key_for(uid) or self._known(request)
        return envelope(customer_answer(key, sandbox=self._gateway.options.test_channel))

    async def several(self, request: Request, _: Json) -> Response:
        """Answer GET /subscribe/customers?customer_uid[]=…: 207 if some are unknown (documented)."""
        uids = many(request, "customer_uid")
        found = [key for uid in uids if (key := self._gateway.books.key(uid)) and key.confirmed]
        if not found:
            raise Refused(texts.unknown_customer(", ".join(uids)), http=404)
        sandbox = self._gateway.options.test_channel
        http = 200 if len(found) == len(uids) else 207
        return envelope([customer_answer(key, sandbox=sandbox) for key in found], http=http)

    async def delete(self, request: Request, _: Json) -> Response:
        """Delete a key. Its schedules stay: V1 documents nothing else."""
        key = self._known(request)
        key.deleted, key.updated = True, self._gateway.clock.now()
        self._gateway.books.save(key)
        return envelope(customer_answer(key, sandbox=self._gateway.options.test_channel))

    async def payments(self, request: Request, _: Json) -> Response:
        """List a customer's payments, including failed ones; an unknown customer has none (observed)."""
        own = self._gateway.books.by_customer_uid.get(request.path_params["customer_uid"], [])
        found = [one for one in own if not one.hidden]
        return envelope(paged(request, found[::-1], PAGE))

    def _known(self, request: Request) -> Key:
        uid = request.path_params["customer_uid"]
        key = self._gateway.books.key(uid)
        if key is None or not key.confirmed:
            raise Refused(texts.unknown_customer(uid), http=404 if self._gateway.options.customers_404 else 200)
        return key


def wanted_provider(uid: str, fields: Json) -> str:
    """Return the PG of a card that is given: of the request, of its channel, of the customer_uid, or the default."""
    asked = text(fields, "pg") or text(fields, "channel_key").removeprefix("channel-key-")
    return provider_of(uid, asked if asked.partition(".")[0] in texts.PROVIDERS else None)


def store_card(gateway: Gateway, uid: str, fields: Json) -> Key:
    """Keep a card under a customer_uid, with its customer."""
    given = {name: text(fields, name) or None for name in CUSTOMER_FIELDS}
    for name in CUSTOMER_FIELDS:
        given[name] = given[name] or text(fields, name.replace("customer_", "buyer_")) or None
    key = gateway.new_key(uid, wanted_provider(uid, fields), text(fields, "card_number"), given)
    key.customer_id = text(fields, "customer_id") or None
    gateway.books.save(key)
    return key
