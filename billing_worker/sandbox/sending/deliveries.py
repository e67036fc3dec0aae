"""Sending: PortOne's webhooks and Paymentwall's pingbacks, on real time.

Webhooks are unsigned, carry three fields, and are sent once unless the options allow more attempts; pingbacks are
signed and repeated until the answer is HTTP 200 with exactly `OK` (all documented).
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from billing_worker.sandbox.clock import Clock
from billing_worker.sandbox.options import SandboxOptions
from billing_worker.sandbox.records import Payment
from billing_worker.sandbox.sending.pingbacks import pingback_query, tampered
from billing_worker.sandbox.sending.send import Answer, SendError, send

KEPT = 20_000  # deliveries remembered for GET /_sandbox/webhooks
TOGETHER = 32  # sends in flight at once: enough for a benchmark, too few to overload a receiver
OK = 200
AFTER_ANSWER = 0.05  # seconds by which the answer precedes its webhook
SERVER_ERROR = 500


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One webhook or pingback, and its result."""

    kind: str
    url: str
    payload: dict[str, str]
    created: float
    attempts: int = 0
    answered: int | None = None  # the last HTTP status
    error: str | None = None
    delivered_at: float | None = None


class Deliveries:
    """Sends in the background. `close()` drops unsent requests, as a killed gateway would."""

    def __init__(self, options: SandboxOptions, clock: Clock, durable: Callable[[], Awaitable[None]]) -> None:
        self._durable = durable
        self._options = options
        self._clock = clock
        self._gate = asyncio.Semaphore(TOGETHER)
        self._tasks: set[asyncio.Task[None]] = set()
        self.sent: deque[Delivery] = deque(maxlen=KEPT)

    def webhook(self, payment: Payment, status: str, *, times: int = 1, cancellation_id: str | None = None) -> None:
        """Send a webhook to the payment's notice_url, else to the configured URL; without both, send none."""
        url = str(payment.given.get("notice_url") or "") or self._options.webhook_url
        if not url:
            return
        payload = {"imp_uid": payment.imp_uid, "merchant_uid": payment.merchant_uid, "status": status}
        if cancellation_id:
            payload["cancellation_id"] = cancellation_id
        for _ in range(times):
            delivery = Delivery(kind="webhook", url=url, payload=payload, created=self._clock.real())
            self._start(delivery, self._options.webhook_attempts, self._options.webhook_interval)

    def pingback(
        self,
        parameters: dict[str, str],
        *,
        secret: str | None = None,
        version: int | None = None,
        tamper: str | None = None,
        times: int = 1,
    ) -> None:
        """Send a signed Paymentwall pingback until the answer is OK; without a pingback URL, send none.

        A tampered pingback is sent once: a forger does not wait for an answer.
        """
        if not self._options.pingback_url:
            return
        url, _, own = self._options.pingback_url.partition("?")
        parameters = dict(parse_qsl(own, keep_blank_values=True)) | parameters  # the URL's own query is also signed
        query = pingback_query(
            parameters, secret or self._options.pingback_secret, version or self._options.pingback_version
        )
        if tamper:
            query = tampered(query, tamper)
        for _ in range(times):
            delivery = Delivery(kind="pingback", url=url, payload=query, created=self._clock.real())
            self._start(delivery, 1 if tamper else None, self._options.pingback_interval)

    def rows(self) -> list[dict[str, Any]]:
        """Return the deliveries, oldest first."""
        return [asdict(one) for one in self.sent]

    async def close(self) -> None:
        """Stop sending."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, delivery: Delivery, attempts: int | None, interval: float) -> None:
        self.sent.append(delivery)
        task = asyncio.create_task(self._deliver(delivery, attempts, interval))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, attempts: int | None, interval: float) -> None:
        await self._durable()  # no webhook reports money that a power cut could still undo
        while attempts is None or delivery.attempts < attempts:
            if delivery.attempts:
                await asyncio.sleep(interval)
            async with self._gate:
                delivery.attempts += 1
                accepted = await self._send(delivery)
            if accepted:
                delivery.delivered_at = self._clock.real()
                return

    async def _send(self, delivery: Delivery) -> bool:
        delivery.answered, delivery.error = None, None
        try:
            answer = await self._request(delivery)
        except SendError as problem:
            delivery.error = str(problem)
            return False
        delivery.answered = answer.status
        if delivery.kind == "pingback":
            return answer.status == OK and answer.body == b"OK"
        # Documented twice and differently: "network error or 5xx" and "until HTTP 200". The first is assumed.
        return answer.status < SERVER_ERROR

    async def _request(self, delivery: Delivery) -> Answer:
        if delivery.kind == "pingback":
            url = f"{delivery.url}?{urlencode(delivery.payload)}"
            return await send("GET", url, headers={"User-Agent": "Paymentwall API"})  # observed
        if self._options.webhook_format == "form":
            kind, body = "application/x-www-form-urlencoded", urlencode(delivery.payload)
        else:
            kind, body = "application/json", json.dumps(delivery.payload, ensure_ascii=False)
        return await send("POST", delivery.url, headers={"Content-Type": kind}, body=body.encode())
