"""Count refused notifications by sender and reason, in memory: a flood of them must cost no row each."""

import json
import threading
from collections import Counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing_worker.ports.presence import Refusals as Counts
from billing_worker.usecases.incoming.receive import PAYMENTWALL_PINGBACK, PORTONE
from billing_worker.web.errors import URN, ErrorType
from billing_worker.web.webhooks import PORTONE_PATHS

SOURCES: Final = dict.fromkeys(PORTONE_PATHS, PORTONE) | {"/webhooks/paymentwall": PAYMENTWALL_PINGBACK}
REFUSED_FROM: Final = 400
"""The first status of a refusal."""
LONGEST_PROBLEM = 4096
"""Bytes. A problem of ours is shorter."""


class Refusals:
    """Counts since they were last taken. Its keys are words of ours, so that they stay few."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, source: str, reason: ErrorType) -> None:
        """Count a refused notification."""
        with self._lock:
            self._counts[source, reason.value] += 1

    def taken(self) -> Counts:
        """The counts, which begin again."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
            return taken

    def give_back(self, counts: Counts) -> None:
        """Count again what could not be stored."""
        with self._lock:
            self._counts.update(counts)


class CountRefusals:
    """Sees the answers at the receiver's addresses. A refusal's type is its reason."""

    def __init__(self, app: ASGIApp, refusals: Refusals) -> None:
        self._app, self._refusals = app, refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count its refusal."""
        source = SOURCES.get(scope["path"]) if scope["type"] == "http" else None
        if source is None:
            await self._app(scope, receive, send)
            return
        refused = False

        async def watched(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = message["status"] >= REFUSED_FROM
            elif refused:
                refused = False
                self._refusals.add(source, _reason(message.get("body", b"")))
            await send(message)

        await self._app(scope, receive, watched)


def _reason(body: bytes) -> ErrorType:
    try:
        return ErrorType(str(json.loads(body[:LONGEST_PROBLEM])["type"]).removeprefix(URN))
    except (ValueError, KeyError, TypeError):
        return ErrorType.INTERNAL
