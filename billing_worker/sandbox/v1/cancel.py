"""POST /payments/cancel, in part or whole."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing_worker.sandbox import texts
from billing_worker.sandbox.records import Json, Payment
from billing_worker.sandbox.v1.gate import Gate
from billing_worker.sandbox.wire import Refused, envelope, number, text, truthy
from billing_worker.sandbox.world.gateway import Gateway
from billing_worker.sandbox.world.payment_view import payment_answer

BALANCE_TOLERANCE = 0.0005  # less than any currency's smallest unit (a fils of KWD is 0.001)


class Cancels:
    """Refunds by the API."""

    def __init__(self, gateway: Gateway, gate: Gate) -> None:
        self._gateway = gateway
        self._gate = gate

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/payments/cancel", self._gate.guard("cancel", self.cancel), methods=["POST"])]

    async def cancel(self, _: Request, fields: Json) -> Response:
        """Refund. `checksum` is the only guard against a second refund; amount 0 or none means all (documented)."""
        before, after = self._gateway.latency.split()
        if before:
            await asyncio.sleep(before)
        payment = self._wanted(fields)
        left = payment.uncompensated
        checksum = number(fields, "checksum")
        if checksum is not None and abs(checksum - left) > BALANCE_TOLERANCE:
            raise Refused(texts.CHECKSUM)
        amount = number(fields, "amount") or left
        if amount < 0 or amount - left > BALANCE_TOLERANCE:
            raise Refused(texts.TOO_MUCH)
        cancellation_id = self._gateway.give_back(payment, amount, text(fields, "reason") or texts.CANCEL_REASON)
        if after:
            await asyncio.sleep(after)
        await self._gateway.books.durable()
        # Documented: a cancel by API sends no webhook unless asked to.
        if truthy(fields.get("enable_webhook")):
            self._gateway.deliveries.webhook(payment, "cancelled", cancellation_id=cancellation_id)
        return envelope(payment_answer(payment))

    def _wanted(self, fields: Json) -> Payment:
        imp_uid, merchant_uid = text(fields, "imp_uid"), text(fields, "merchant_uid")
        if not imp_uid and not merchant_uid:
            raise Refused(texts.NEED_UID)
        books = self._gateway.books
        found = [books.by_imp_uid[imp_uid]] if imp_uid in books.by_imp_uid else []
        if not imp_uid:
            taken = [one for one in books.under(merchant_uid) if one.status in {"paid", "cancelled"}]
            found = [one for one in taken if one.uncompensated > 0] or taken
        found = [one for one in found if one.status in {"paid", "cancelled"}]
        if not found:
            raise Refused(texts.NOTHING_TO_CANCEL)
        payment = found[-1]
        if payment.uncompensated <= 0:
            raise Refused(texts.CANCELLED_ALREADY)
        return payment
