"""Tokens, channels, and the delivery report that Paymentwall wants."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing_worker.sandbox import texts
from billing_worker.sandbox.records import Json
from billing_worker.sandbox.v1.gate import Gate
from billing_worker.sandbox.wire import Refused, envelope, text
from billing_worker.sandbox.world.gateway import Gateway

DELIVERY_REQUIRED = ("imp_uid", "merchant_uid", "type", "status")


class Accounts:
    """The endpoints that move no money."""

    def __init__(self, gateway: Gateway, gate: Gate) -> None:
        self._gateway = gateway
        self._gate = gate

    def routes(self) -> list[Route]:
        """Return the routes."""
        guard = self._gate.guard
        return [
            Route("/users/getToken", guard("token", self.token, token=False), methods=["POST"]),
            Route("/users/pg", guard("read", self.channels)),
            Route("/paymentwall/delivery", guard("delivery", self.delivery), methods=["POST"]),
        ]

    async def token(self, _: Request, fields: Json) -> Response:
        """Give every caller with the right key the same token; 400 and 401 as observed."""
        key, secret = text(fields, "imp_key"), text(fields, "imp_secret")
        if not key or not secret:
            raise Refused(texts.MISSING_CREDENTIALS, code=-1, http=400)
        options, tokens, now = self._gateway.options, self._gateway.tokens, self._gateway.clock.real()
        if (key, secret) != (options.imp_key, options.imp_secret):
            raise Refused(texts.BAD_CREDENTIALS, code=-1, http=401)
        if tokens.issue(now):
            self._gateway.books.save_token()
        answer = {"access_token": tokens.access_token, "now": int(now), "expired_at": int(tokens.expired_at)}
        return envelope(answer)

    async def channels(self, _: Request, __: Json) -> Response:
        """List the PG channels of this merchant."""
        return envelope(
            [
                {
                    "pg_provider": provider,
                    "pg_id": "sandbox_mid",
                    "sandbox": self._gateway.options.test_channel,
                    "type": "payment",
                    "channel_name": f"sandbox {provider}",
                    "channel_key": f"channel-key-{provider}",
                }
                for provider in texts.CHANNELS.values()
            ]
        )

    async def delivery(self, _: Request, fields: Json) -> Response:
        """Take a delivery report; without it Paymentwall withholds settlement (documented)."""
        for name in DELIVERY_REQUIRED:
            if not text(fields, name):
                raise Refused(texts.missing(name))
        if text(fields, "imp_uid") not in self._gateway.books.by_imp_uid:
            raise Refused(texts.NO_PAYMENT)
        return envelope({"error_code": None, "error": None, "notices": []})
