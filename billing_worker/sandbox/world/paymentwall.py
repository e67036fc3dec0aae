"""Paymentwall through PortOne: a key is issued only with a charge, and may be used only after the confirmation.

PortOne shows the issuing payment as `ready` until Paymentwall's pingback arrives (inferred), then as `paid`.
"""

import asyncio

from billing_worker.sandbox import texts
from billing_worker.sandbox.records import Json, Key, Payment
from billing_worker.sandbox.sending.pingbacks import purchase
from billing_worker.sandbox.wire import Refused, number, text, whole
from billing_worker.sandbox.world.gateway import PAYMENTWALL, Gateway
from billing_worker.sandbox.world.payment_view import payment_answer

OPTIONAL = ("reason", "refund_amount", "merchant_refund_id")  # parameters of a reversal
ECHOED = ("name", "buyer_name", "buyer_email", "buyer_tel", "notice_url", "custom_data")


class Paymentwall:
    """Issuing, confirming, and the pingbacks of risk reviews and refunds."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def issue(self, fields: Json) -> Json:
        """Charge and begin a key; its confirmation follows after `confirm_after` real seconds."""
        gateway, books = self._gateway, self._gateway.books
        for name in ("customer_uid", "merchant_uid"):
            if not text(fields, name):
                raise Refused(texts.missing(name))
        amount = number(fields, "amount")
        if amount is None or amount <= 0:
            raise Refused(texts.missing("amount"))
        if books.blocks(text(fields, "merchant_uid"), failed_too=False):
            raise Refused(texts.DUPLICATE)
        payment = self._charge(fields, amount)
        wait = number(fields, "confirm_after")
        key = gateway.new_key(text(fields, "customer_uid"), PAYMENTWALL, text(fields, "card_number"))
        key.confirmed = False
        key.confirm_at = gateway.clock.real() + (gateway.options.confirm_after if wait is None else wait)
        key.issue_email = text(fields, "buyer_email")
        key.issue_imp_uid = payment.imp_uid
        books.save(key)
        self.arm(key)
        return payment_answer(payment)

    def arm(self, key: Key) -> None:
        """Confirm a key at its time, even after a restart."""
        if key.confirmed or key.confirm_at is None:
            return
        wait = max(0.0, key.confirm_at - self._gateway.clock.real())
        issued = key.issue_imp_uid

        def due() -> None:
            current = self._gateway.books.key(key.customer_uid)
            if current is not None and current.issue_imp_uid == issued:
                self.confirm(current)

        asyncio.get_running_loop().call_later(wait, due)

    def confirm(self, key: Key) -> bool:
        """Make a key chargeable and send PortOne's webhook and the pingback; False if the key needs no confirmation."""
        if key.confirmed or key.deleted:
            return False
        key.confirmed, key.confirm_at = True, None
        self._gateway.books.save(key)
        payment = self._gateway.books.by_imp_uid.get(key.issue_imp_uid or "")
        if payment is not None and payment.status == "ready":
            self._gateway.settle(payment)
        return True

    def pingback(self, fields: Json) -> dict[str, str]:
        """Send any pingback about a payment: risk review 200, 201, 202, refund 2, or another; genuine or not."""
        books, options = self._gateway.books, self._gateway.options
        under = books.under(text(fields, "merchant_uid"))
        payment = books.by_imp_uid.get(text(fields, "imp_uid")) or (under[-1] if under else None)
        uid = text(fields, "customer_uid") or (payment.customer_uid or "" if payment else "")
        goods = text(fields, "goodsid") or text(fields, "merchant_uid") or (payment.merchant_uid if payment else "")
        ref = text(fields, "ref") or (payment.ref if payment else "") or "b0"
        parameters = purchase(uid, goods, ref, int(fields.get("type", 0)))
        parameters |= {name: text(fields, name) for name in OPTIONAL if fields.get(name) is not None}
        if fields.get("is_test"):
            parameters["is_test"] = "1"
        extra = fields.get("extra") or {}
        if not isinstance(extra, dict):
            raise ValueError("extra is an object of parameter names and values")  # noqa: TRY004 - answered as a 400
        parameters |= {str(name): str(value) for name, value in extra.items()}
        signing = text(fields, "key") or "secret"
        if signing not in {"secret", "test"}:
            raise ValueError("key is secret (of the project) or test (Brick's private test key)")
        secret = text(fields, "secret") or (options.pingback_test_secret if signing == "test" else None)
        version, times = fields.get("version"), whole(fields.get("times"), 1, 1, 100)
        self._gateway.deliveries.pingback(
            parameters,
            secret=secret,
            version=int(version) if version else None,
            tamper=text(fields, "tamper") or None,
            times=times,
        )
        return parameters

    def _charge(self, fields: Json, amount: float) -> Payment:
        gateway = self._gateway
        imp_uid = gateway.books.new_imp_uid("imp_")
        return gateway.books.add(
            Payment(
                imp_uid=imp_uid,
                merchant_uid=text(fields, "merchant_uid"),
                customer_uid=text(fields, "customer_uid"),
                amount=amount,
                currency=text(fields, "currency") or "KRW",
                status="ready",
                pg_provider=PAYMENTWALL,
                started_at=gateway.clock.now(),
                usage="issue",
                channel="pc",
                sandbox=gateway.options.test_channel,
                card_number=text(fields, "card_number"),
                ref=f"b{imp_uid[-10:]}",
                origin="issue",
                given={name: fields[name] for name in ECHOED if fields.get(name) is not None},
            )
        )
