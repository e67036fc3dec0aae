"""`again`, `onetime` and every other charge: from the request to the answer, through a behaviour."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from billing_worker.sandbox import texts
from billing_worker.sandbox.records import Json, Key, Payment
from billing_worker.sandbox.v1.replies import reply_to
from billing_worker.sandbox.wire import Refused, number, text
from billing_worker.sandbox.world.behaviours import OK, Reply, Webhook
from billing_worker.sandbox.world.behaviours import Books as Recorded
from billing_worker.sandbox.world.gateway import PAYMENTWALL, Gateway, Order
from billing_worker.sandbox.world.rules import Plan

UID_LIMIT = 40  # documented for merchant_uid
ECHOED = (
    "name", "buyer_name", "buyer_email", "buyer_tel", "buyer_addr", "buyer_postcode", "custom_data", "notice_url",
    "card_quota", "product_type",
)  # fmt: skip
NEVER_REUSES = {"naverpay"}  # documented: its merchant_uid is never accepted twice
TRUNCATES = {"smartro_v2"}  # documented: silently cut at 40
HEAD_START = 0.2  # seconds by which a webhook-before precedes the answer


class Charging:
    """The money path. A caller that hangs up does not stop a charge (documented for V2, assumed for V1)."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._busy: dict[str, asyncio.Event] = {}

    async def again(self, request: Request, fields: Json) -> Response:
        """Answer POST /subscribe/payments/again."""
        order = self.order(fields, request)
        key = self._gateway.key_for(order.customer_uid)
        if key is None:
            raise Refused(texts.UNKNOWN_BUYER)
        self.fit(order, key)
        if key.pg_provider == PAYMENTWALL:
            check_paymentwall(fields, key)
        plan = self._gateway.plan("again", key, order.merchant_uid)
        if plan.behaviour.reply is Reply.REDIRECT and "redirected" in request.query_params:
            plan = Plan.of(OK)
        return await self.perform(order, key, plan, request)

    async def perform(self, order: Order, key: Key, plan: Plan, request: Request) -> Response:
        """Wait, charge, wait and answer by the plan."""
        gateway = self._gateway
        request.scope["sandbox.behaviour"] = plan.behaviour.name
        before, after = gateway.latency.split()
        slow = gateway.options.slow_seconds if plan.delay is None else plan.delay
        payment = await self.charge(order, key, plan, before + (slow if plan.behaviour.slow_before else 0))
        if payment is not None and plan.webhook is Webhook.BEFORE:
            await gateway.books.durable()
            gateway.notify(payment, plan.webhook)
            after += HEAD_START
        if plan.behaviour.slow_after or (plan.delay is not None and not plan.behaviour.slow_before):
            after += slow
        if after:
            await asyncio.sleep(after)
        await gateway.books.durable()
        if payment is not None and plan.webhook is not Webhook.BEFORE:
            gateway.notify(payment, plan.webhook)
        return reply_to(plan.behaviour, payment, request)

    async def charge(self, order: Order, key: Key, plan: Plan, wait: float = 0) -> Payment | None:
        """Move the money; None if the behaviour does not reach the books. Raise Refused for a duplicate."""
        racy = plan.behaviour.racy
        if racy is None:
            racy = not self._gateway.options.serialised
        if racy:
            return await self._check_and_enter(order, key, plan, wait)
        async with self._alone(order.merchant_uid):
            return await self._check_and_enter(order, key, plan, wait)

    async def _check_and_enter(self, order: Order, key: Key, plan: Plan, wait: float) -> Payment | None:
        if plan.behaviour.books is not Recorded.NOTHING:
            failed_too = self._gateway.options.failed_blocks or key.pg_provider in NEVER_REUSES
            if self._gateway.books.blocks(order.merchant_uid, failed_too=failed_too):
                raise Refused(texts.DUPLICATE)
        if wait:
            await asyncio.sleep(wait)
        return self._gateway.enter(order, key, plan)

    @asynccontextmanager
    async def _alone(self, merchant_uid: str) -> AsyncIterator[None]:
        while (other := self._busy.get(merchant_uid)) is not None:
            await other.wait()
        mine = self._busy[merchant_uid] = asyncio.Event()
        try:
            yield
        finally:
            del self._busy[merchant_uid]
            mine.set()

    def order(self, fields: Json, request: Request | None = None) -> Order:
        """Read the required fields, as lenient as the gateway: unknown fields and an absent name are fine."""
        for name in ("customer_uid", "merchant_uid"):
            if not text(fields, name):
                raise Refused(texts.missing(name))
        amount = number(fields, "amount")
        if amount is None or amount <= 0:
            raise Refused(texts.missing("amount"))
        given: Json = {name: fields[name] for name in ECHOED if fields.get(name) is not None}
        if request is not None:
            given["user_agent"] = request.headers.get("user-agent")
        return Order(
            customer_uid=text(fields, "customer_uid"),
            merchant_uid=text(fields, "merchant_uid"),
            amount=amount,
            currency=text(fields, "currency") or "KRW",
            given=given,
        )

    def fit(self, order: Order, key: Key) -> None:
        """Handle a merchant_uid over 40 characters."""
        handling = "truncate" if key.pg_provider in TRUNCATES else self._gateway.options.long_merchant_uid
        if len(order.merchant_uid) <= UID_LIMIT or handling == "accept":
            return
        if handling == "refuse":
            raise Refused(texts.LONG_UID)
        order.merchant_uid = order.merchant_uid[:UID_LIMIT]


def check_paymentwall(fields: dict[str, Any], key: Key) -> None:
    """Enforce what Paymentwall requires of `again` (documented; the wordings are inferred)."""
    if key.issue_email is not None and text(fields, "buyer_email") != key.issue_email:
        raise Refused(texts.EMAIL_DIFFERS, code=-1)
    parts = text(fields, "buyer_name").split(" ")
    if len(parts) != 2 or not all(parts):  # noqa: PLR2004 - "First Last"
        raise Refused(texts.NAME_FORM, code=-1)
    if not text(fields, "browser_ip"):
        raise Refused(texts.NEED_BROWSER_IP, code=-1)
