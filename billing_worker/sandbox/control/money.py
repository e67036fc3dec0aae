"""Control endpoints that show the books, or move money behind the merchant's back."""

import json
from collections import Counter
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from billing_worker.sandbox import texts
from billing_worker.sandbox.control.control import Json, Work, guarded
from billing_worker.sandbox.records import Key, Payment
from billing_worker.sandbox.wire import Refused, number, text, whole
from billing_worker.sandbox.world.behaviours import OK
from billing_worker.sandbox.world.choosing import provider_of
from billing_worker.sandbox.world.gateway import Gateway, Order
from billing_worker.sandbox.world.payment_view import customer_answer, ledger_row, plain
from billing_worker.sandbox.world.paymentwall import Paymentwall
from billing_worker.sandbox.world.rules import Plan

PAGE, MOST_ROWS = 1000, 100_000
CHUNK = 500  # rows of a stream between two chances for other calls
EPSILON = 0.0005  # less than the smallest unit of any currency (a fils of KWD is 0.001)


class MoneyControl:
    """Ledger, webhooks, the operator's console, keys, Paymentwall."""

    def __init__(self, gateway: Gateway, paymentwall: Paymentwall) -> None:
        self._gateway = gateway
        self._paymentwall = paymentwall

    def routes(self) -> list[Route]:
        """Return the routes."""

        def route(path: str, work: Work, method: str = "GET") -> Route:
            return Route(f"/_sandbox{path}", guarded(self._gateway, work), methods=[method])

        return [
            route("/ledger", self.ledger),
            route("/ledger/summary", self.summary),
            route("/webhooks", self.webhooks),
            route("/webhooks/resend", self.resend, "POST"),
            route("/operator/pay", self.pay, "POST"),
            route("/operator/cancel", self.cancel, "POST"),
            route("/operator/hide", self.hide, "POST"),
            route("/operator/garble", self.garble, "POST"),
            route("/keys", self.list_keys),
            route("/keys", self.keys, "POST"),
            route("/paymentwall/issue", self.issue, "POST"),
            route("/paymentwall/confirm", self.confirm, "POST"),
            route("/paymentwall/pingback", self.pingback, "POST"),
        ]

    async def ledger(self, request: Request, _: Json) -> Json | StreamingResponse:
        """Show payments in the order of the books: ?merchant_uid=, ?customer_uid=, ?status=, ?after=, ?limit=.

        `next` is the `after` of the next page, or null. `?format=jsonl` streams all of them, one JSON a line.
        """
        query, books = request.query_params, self._gateway.books
        found = books.payments
        if "merchant_uid" in query:
            found = books.under(query["merchant_uid"])
        elif "customer_uid" in query:
            found = books.by_customer_uid.get(query["customer_uid"], [])
        if "customer_uid" in query:
            found = [one for one in found if one.customer_uid == query["customer_uid"]]
        if "status" in query:
            found = [one for one in found if one.status == query["status"]]
        if query.get("format") == "jsonl":
            return StreamingResponse(_lines(list(found)), media_type="application/x-ndjson")
        after, limit = whole(query.get("after"), 0), whole(query.get("limit"), PAGE, 1, MOST_ROWS)
        if found is books.payments:
            page, more = found[after : after + limit], len(found) > after + limit
        else:
            rest = [one for one in found if one.order > after]
            page, more = rest[:limit], len(rest) > limit
        rows = [ledger_row(one) for one in page]
        return {"total": len(found), "next": page[-1].order if more else None, "list": rows}

    async def summary(self, _: Request, __: Json) -> Json:
        """Count and sum payments: by status, and per merchant_uid those that still hold money."""
        payments = self._gateway.books.payments
        holding = Counter(one.merchant_uid for one in payments if one.uncompensated > EPSILON)
        statuses: Json = {}
        for one in payments:
            row = statuses.setdefault(one.status, {"count": 0, "amount": 0, "cancel_amount": 0})
            row["count"] += 1
            row["amount"] = plain(row["amount"] + one.amount)
            row["cancel_amount"] = plain(row["cancel_amount"] + one.cancel_amount)
        return {
            "payments": len(payments),
            "by_status": statuses,
            "merchant_uids": len(self._gateway.books.by_merchant_uid),
            "charged_merchant_uids": len(holding),
            "uncompensated_payments": holding.total(),
            "uncompensated_amount": plain(sum(one.uncompensated for one in payments)),
            "more_than_once": {uid: count for uid, count in holding.items() if count > 1},
        }

    async def webhooks(self, request: Request, _: Json) -> list[Json]:
        """List webhooks and pingbacks sent: ?merchant_uid=, ?kind=."""
        query = request.query_params
        return [
            row
            for row in self._gateway.deliveries.rows()
            if ("kind" not in query or row["kind"] == query["kind"])
            and query.get("merchant_uid") in (None, row["payload"].get("merchant_uid"), row["payload"].get("goodsid"))
        ]

    async def resend(self, _: Request, fields: Json) -> Json:
        """Send the webhook of a payment again, as the console does: {imp_uid | merchant_uid, status?, times?}."""
        payment = self._payment(fields)
        status, times = text(fields, "status") or payment.status, whole(fields.get("times"), 1, 1, 100)
        self._gateway.deliveries.webhook(payment, status, times=times)
        return {"imp_uid": payment.imp_uid, "status": status, "times": times}

    async def pay(self, _: Request, fields: Json) -> Json:
        """Charge behind the merchant's back: {merchant_uid, customer_uid?, amount?}; {imp_uid} turns that one paid."""
        gateway, books = self._gateway, self._gateway.books
        known = books.by_imp_uid.get(text(fields, "imp_uid"))
        if known is not None:
            gateway.settle(known)
            return ledger_row(known)
        under = books.under(text(fields, "merchant_uid"))
        uid = text(fields, "customer_uid") or (under[-1].customer_uid or "" if under else "")
        amount = number(fields, "amount") or (under[-1].amount if under else None)
        if not text(fields, "merchant_uid") or not uid or not amount:
            raise ValueError("a clerk's charge needs imp_uid, or merchant_uid with customer_uid and amount")
        order = Order(
            customer_uid=uid, merchant_uid=text(fields, "merchant_uid"), amount=amount, origin="operator",
            currency=text(fields, "currency") or (under[-1].currency if under else "KRW"),
        )  # fmt: skip
        key = books.key(uid) or Key(customer_uid=uid, pg_provider=provider_of(uid, None))
        payment = gateway.enter(order, key, Plan.of(OK))
        if payment is None:
            raise ValueError("nothing was charged")
        gateway.notify(payment)
        return ledger_row(payment)

    async def cancel(self, _: Request, fields: Json) -> Json:
        """Refund in the console: {imp_uid | merchant_uid, amount?}; a console cancel sends a webhook (documented)."""
        payment = self._payment(fields, holding=True)
        amount = number(fields, "amount") or payment.uncompensated
        if amount <= 0 or amount > payment.uncompensated + EPSILON:
            raise ValueError(f"{payment.imp_uid} holds {plain(payment.uncompensated)}")
        cancellation_id = self._gateway.give_back(payment, amount, text(fields, "reason") or "operator")
        self._gateway.deliveries.webhook(payment, "cancelled", cancellation_id=cancellation_id)
        return ledger_row(payment)

    async def hide(self, _: Request, fields: Json) -> Json:
        """Hide a payment from all reads, or show it again: {imp_uid | merchant_uid, hidden?: true}."""
        payment = self._payment(fields)
        self._gateway.hide(payment, hidden=fields.get("hidden") not in (False, "false"))
        return ledger_row(payment)

    async def garble(self, _: Request, fields: Json) -> Json:
        """Show a schedule with other fields than it has: {merchant_uid, fields: {…}}; {} shows it as it is."""
        schedule = self._gateway.books.schedules.get(text(fields, "merchant_uid"))
        shown = fields.get("fields")
        if schedule is None or not isinstance(shown, dict):
            raise ValueError("a garbled schedule needs its merchant_uid, and fields: what reads show instead")
        schedule.garbled = shown
        self._gateway.books.save(schedule)
        return {"merchant_uid": schedule.merchant_uid, "fields": shown}

    async def list_keys(self, _: Request, __: Json) -> list[Json]:
        """List keys, including unconfirmed and deleted ones."""
        return [self._key_row(one) for one in self._gateway.books.keys.values()]

    async def keys(self, _: Request, fields: Json) -> Json:
        """Register, replace or delete: {customer_uid, action?: register|replace|delete, card_number?, pg?}."""
        uid, action = text(fields, "customer_uid"), text(fields, "action") or "register"
        if not uid or action not in {"register", "replace", "delete"}:
            raise ValueError("a key needs customer_uid and an action: register, replace or delete")
        key = self._gateway.books.keys.get(uid)
        if action == "delete":
            key = key or self._gateway.new_key(uid, provider_of(uid, None))
            key.deleted = True
            self._gateway.books.save(key)
        else:
            provider = provider_of(uid, text(fields, "pg") or (key.pg_provider if key else None))
            key = self._gateway.new_key(uid, provider, text(fields, "card_number"))
        return self._key_row(key)

    async def issue(self, _: Request, fields: Json) -> Json:
        """Do as the browser's request_pay with pg paymentwall: charge, and begin a key."""
        return await self._paymentwall.issue(fields)

    async def confirm(self, _: Request, fields: Json) -> Json:
        """Send Paymentwall's confirmation now: {customer_uid}."""
        key = self._gateway.books.keys.get(text(fields, "customer_uid"))
        if key is None:
            raise Refused(texts.UNKNOWN_BUYER, http=404)
        return {"confirmed_now": self._paymentwall.confirm(key)} | self._key_row(key)

    async def pingback(self, _: Request, fields: Json) -> Json:
        """Send a pingback: {imp_uid | merchant_uid | customer_uid, type, reason?, ref?, extra?, tamper?, …}."""
        return {"sent": self._paymentwall.pingback(fields)}

    def _key_row(self, key: Key) -> Json:
        row = customer_answer(key, sandbox=self._gateway.options.test_channel)
        return row | {"confirmed": key.confirmed, "deleted": key.deleted, "calls": key.calls}

    def _payment(self, fields: Json, *, holding: bool = False) -> Payment:
        books = self._gateway.books
        found = [books.by_imp_uid[one] for one in [text(fields, "imp_uid")] if one in books.by_imp_uid]
        found = found or books.under(text(fields, "merchant_uid"))
        if holding:
            found = [one for one in found if one.uncompensated > 0]
        if not found:
            raise Refused(texts.NO_PAYMENT, http=404)
        return found[-1]


async def _lines(payments: list[Payment]) -> AsyncIterator[bytes]:
    for first in range(0, len(payments), CHUNK):
        rows = payments[first : first + CHUNK]
        yield "".join(json.dumps(ledger_row(one), ensure_ascii=False) + "\n" for one in rows).encode()
