"""The gate of every V1 endpoint: outages and rules first, then the token, then the body, then the work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from billing_worker.sandbox.v1.replies import fault, reply_after
from billing_worker.sandbox.wire import Refused, read_fields, refusal, text, unauthorized
from billing_worker.sandbox.world.behaviours import BEHAVIOURS, Behaviour, Books, Reply
from billing_worker.sandbox.world.gateway import Gateway
from billing_worker.sandbox.world.tokens import TOKEN_HEADERS

Work = Callable[[Request, dict[str, Any]], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]
STORES = {"issue", "delete", "schedule"}  # a behaviour that reaches the books has its effect, and loses the answer
CHARGES = {"again", "onetime", "retry"}  # Charging applies their rules, since it handles money
FAULTS = {
    Reply.DROP, Reply.CUT, Reply.TRUNCATED, Reply.GARBLED, Reply.ERROR_JSON, Reply.ERROR_HTML, Reply.UNAUTHORIZED,
    Reply.RATE_LIMIT, Reply.REDIRECT, Reply.REFUSAL,
}  # fmt: skip


class Outage:
    """A time in which every call of some endpoints gets the same fault."""

    def __init__(self) -> None:
        self.behaviour: Behaviour | None = None
        self.until: float | None = None
        self.endpoints: set[str] = set()

    def begin(self, behaviour: Behaviour, until: float | None, endpoints: set[str]) -> None:
        """Start; without `until` it lasts until `end`."""
        self.behaviour, self.until, self.endpoints = behaviour, until, endpoints

    def end(self) -> None:
        """End the outage."""
        self.behaviour = None

    def at(self, endpoint: str, now: float) -> Behaviour | None:
        """Return the fault that this endpoint has now."""
        if self.behaviour is None or (self.until is not None and now >= self.until):
            return None
        return self.behaviour if not self.endpoints or endpoint in self.endpoints else None


class RateLimit:
    """A limit of calls in any second that begins with a call; None means no limit."""

    def __init__(self, calls: int | None) -> None:
        self.calls = calls
        self._second = 0.0
        self._used = 0

    def exceeded(self, now: float) -> bool:
        """Count a call; whether it exceeds the limit."""
        if self.calls is None:
            return False
        if now - self._second >= 1:
            self._second, self._used = now, 0
        self._used += 1
        return self._used > self.calls


class Gate:
    """Wraps endpoints of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.outage = Outage()
        self.rate_limit = RateLimit(gateway.options.rate_limit)

    def guard(self, name: str, work: Work, *, token: bool = True) -> Endpoint:
        """Return an endpoint that passes a call to `work`, or answers in its place."""

        async def endpoint(request: Request) -> Response:
            gateway, now = self._gateway, self._gateway.clock.real()
            fields: dict[str, Any] = {}
            try:
                fields = await read_fields(request)
                request.scope["sandbox.fields"] = fields
                broken = self.outage.at(name, now)
                if broken is None and self.rate_limit.exceeded(now):
                    broken = BEHAVIOURS["rate-limit"]
                if broken is not None:
                    return await self._fault(broken, request, slow=True)
                given = [request.headers.get(name) for name in TOKEN_HEADERS]
                if token and not any(gateway.tokens.accepts(header, now) for header in given):
                    return unauthorized()
                if name not in CHARGES and (answer := await self._ruled(name, request, fields, work)):
                    return answer
                answer = await work(request, fields)
            except Refused as refused:
                answer = refusal(refused)
            await gateway.books.durable()
            return answer

        return endpoint

    async def _ruled(self, name: str, request: Request, fields: dict[str, Any], work: Work) -> Response | None:
        gateway = self._gateway
        wait = gateway.read_latency.draw() if name == "read" else 0.0
        rule = None
        if gateway.rules.rules:
            path = request.path_params
            customer_uid = text(fields, "customer_uid") or path.get("customer_uid", "")
            merchant_uid = _order_in(fields) or path.get("merchant_uid", "")
            rule = gateway.rules.pick(name, customer_uid, merchant_uid, gateway.clock.real())
        if rule is not None:
            behaviour = BEHAVIOURS[rule.behaviour]
            if behaviour.slow_before or behaviour.slow_after or rule.delay is not None:
                wait += gateway.options.slow_seconds if rule.delay is None else rule.delay
            if name in STORES and behaviour.books is Books.PAID:
                return await self._stored(behaviour, wait, request, fields, work)
        if wait:
            await asyncio.sleep(wait)
        if rule is None or behaviour.reply not in FAULTS:
            return None
        return await self._fault(behaviour, request)

    async def _stored(
        self, behaviour: Behaviour, wait: float, request: Request, fields: dict[str, Any], work: Work
    ) -> Response:
        """Have the effect, before or after the wait; then lose the answer, or its half, or nothing of it."""
        if not behaviour.slow_after:
            await asyncio.sleep(wait)
        try:
            answer = await work(request, fields)
        except Refused as refused:
            answer = refusal(refused)
        await self._gateway.books.durable()
        if behaviour.slow_after:
            await asyncio.sleep(wait)
        request.scope["sandbox.behaviour"] = behaviour.name
        return reply_after(behaviour, answer, request)

    async def _fault(self, behaviour: Behaviour, request: Request, *, slow: bool = False) -> Response:
        request.scope["sandbox.behaviour"] = behaviour.name
        if slow and (behaviour.slow_before or behaviour.slow_after):
            await asyncio.sleep(self._gateway.options.slow_seconds)
        return fault(behaviour, request)


def _order_in(fields: dict[str, Any]) -> str:
    """The merchant_uid in a body; the first of several."""
    items, named = fields.get("schedules"), fields.get("merchant_uid")
    if isinstance(items, list) and items and isinstance(items[0], dict):
        return text(items[0], "merchant_uid")
    return str(named[0]) if isinstance(named, list) and named else text(fields, "merchant_uid")
