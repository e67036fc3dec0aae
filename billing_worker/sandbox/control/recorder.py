"""Record every request for assertions, with secrets masked, and remove the trailing slash."""

import itertools
import time
from collections import deque
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECRET_FIELDS = {"imp_secret", "imp_key", "expiry", "pwd_2digit", "cvc", "birth"}
CARD = "card_number"


class Requests:
    """A bounded ring of requests: the oldest are dropped first."""

    def __init__(self, kept: int) -> None:
        self._ring: deque[dict[str, Any]] = deque(maxlen=kept)
        self._count = itertools.count(1)

    def note(self, scope: Scope, arrived: float, status: int | None) -> None:
        """Record a request that was answered, or dropped (status None)."""
        self._ring.append(
            {
                "seq": next(self._count),
                "method": scope["method"],
                "path": scope["path"],
                "query": scope["query_string"],
                "fields": scope.get("sandbox.fields"),
                "arrived": arrived,
                "finished": time.time(),
                "status": status,
                "behaviour": scope.get("sandbox.behaviour"),
            }
        )

    def rows(self, since: int = 0, path: str = "", limit: int = 1000) -> list[dict[str, Any]]:
        """Return requests after a sequence number with this path prefix, oldest first, masked."""
        found = (one for one in list(self._ring) if one["seq"] > since and one["path"].startswith(path))
        return [
            one | {"query": one["query"].decode("latin-1"), "fields": masked_fields(one["fields"] or {})}
            for one in itertools.islice(found, limit)
        ]

    def clear(self) -> None:
        """Delete all records."""
        self._ring.clear()


def masked_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields without secrets; of a card number the last four digits stay."""
    shown: dict[str, Any] = {}
    for name, value in fields.items():
        if name in SECRET_FIELDS:
            shown[name] = "***"
        elif name == CARD:
            shown[name] = "***" + str(value)[-4:]
        else:
            shown[name] = value
    return shown


class Recorder:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on and note it when it is over; the control endpoints are not noted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/")  # observed: public clients send …/again/
        if scope["path"].startswith("/_sandbox"):
            await self._app(scope, receive, send)
            return
        arrived = time.time()
        status: int | None = None

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._requests.note(scope, arrived, status)
