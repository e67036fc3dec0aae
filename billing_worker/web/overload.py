"""Refuse requests as cheaply as possible: the cost of a flood is the work per request."""

import http
import json
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from billing_worker.web.errors import MEDIA_TYPE, RETRY_AFTER, ErrorType, body_of
from billing_worker.web.middleware import HEADERS
from billing_worker.web.request_id import HEADER, current_request_id, new_request_id

MOST_REQUESTS = 500
"""Requests served at once. With more, the last one would wait for longer than it takes to send it again."""
HEALTH: Final = ("/healthz", "/readyz")
"""Overload must not look like death."""
FULL = "more requests come than can be served; try again later"


class AtOnce:
    """Refuses requests beyond the limit. Slow senders do not count: it runs behind BodyLimit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] in HEALTH:
            await self._app(scope, receive, send)
            return
        if self._now >= MOST_REQUESTS:
            await shed(scope, receive, send)
            return
        self._now += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._now -= 1


def _problem(status: int, kind: ErrorType, message: str, request_id: str) -> bytes:
    return json.dumps(body_of(status, kind, message, request_id)).encode()


def raw_problem(status: int, kind: ErrorType, message: str) -> bytes:
    """The bytes of a problem with its head. The connection ends with it."""
    request_id = new_request_id()
    body = _problem(status, kind, message, request_id)
    lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in _headers(status, body)]
    lines.append(f"{HEADER}: {request_id}".encode())
    return b"\r\n".join([*lines, b"connection: close", b"", body])


def _headers(status: int, body: bytes) -> list[tuple[bytes, bytes]]:
    fields = {"content-type": MEDIA_TYPE, "cache-control": "no-store", **HEADERS}
    fields["content-length"] = str(len(body))
    if status == 503:  # noqa: PLR2004 - service unavailable
        fields["retry-after"] = RETRY_AFTER
    return [(name.encode(), value.encode()) for name, value in fields.items()]


async def shed(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The application under overload: it answers with as little work as possible."""
    # Behind the application's RequestId, the request already has a name; before it, it gets one here.
    known = current_request_id()
    request_id = known or new_request_id()
    body = _problem(503, ErrorType.UNAVAILABLE, FULL, request_id)
    headers = _headers(503, body) if known else [*_headers(503, body), (HEADER.encode(), request_id.encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
