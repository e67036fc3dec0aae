"""Middleware for every request: a bound for its body, headers for browsers, and an answer to our own failures."""

import asyncio
import traceback

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing_worker.web.errors import ErrorType, problem
from billing_worker.web.request_id import current_request_id

MOST_BODY_BYTES = 8 * 1024
"""Bytes. A webhook has four short fields, the largest request of the API a dozen."""
BODY_SECONDS = 10.0
"""A body of that size arrives over any line within this time. A slow client cannot hold its place longer."""

LONGEST_PATH = 120
"""The logged characters of an address."""

_SENDS_NO_BODY = ("GET", "HEAD", "OPTIONS", "DELETE")

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Only what the local Swagger UI needs (it writes style attributes itself)."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": _CONTENT_POLICY,
    "cross-origin-resource-policy": "same-origin",
}

_POLICY = b"content-security-policy"
"""The one header that an answer may set itself: the card page loads PortOne's SDK."""

_OURS = {name.encode(): value.encode() for name, value in HEADERS.items()}

_log = structlog.get_logger("billing.web")


class SecurityHeaders:
    """Adds the headers to every answer. An answer is not cached unless it says so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [pair for pair in message.get("headers", ()) if pair[0] not in _OURS or pair[0] == _POLICY]
                has_policy = any(name == _POLICY for name, _ in own)
                ours = [pair for pair in _OURS.items() if not has_policy or pair[0] != _POLICY]
                message["headers"] = [*own, *ours]
                if not any(name == b"cache-control" for name, _ in own):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        await self._app(scope, receive, with_headers)


class LastResort:
    """Turns an unexpected error into a 500. The log gets its place, never the values."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and catch any error."""
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except Exception as error:
            if scope["type"] != "http":
                raise
            _log_failure(error, scope)
            if started:  # too late for another answer: uvicorn closes the connection
                return
            message = "something went wrong on our side; the log has more under this request_id"
            await problem(500, ErrorType.INTERNAL, message)(scope, receive, send)


def _log_failure(error: Exception, scope: Scope) -> None:
    """Log the place of the error, not its text: a database error has statements and parameters in it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename]
    if frames[-1] not in ours:
        ours.append(frames[-1])
    where = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in ours)
    path = scope["path"][:LONGEST_PATH]
    kind = type(error).__name__
    _log.error(
        "request.failed", request_id=current_request_id(), method=scope["method"], path=path, error=kind, where=where
    )


class BodyLimit:
    """Reads the body before the application sees it: never more than the bound, never longer than the deadline."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then pass the request on."""
        if scope["type"] != "http" or scope["method"] in _SENDS_NO_BODY:
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        try:
            body = None if declared.isdigit() and int(declared[:10]) > MOST_BODY_BYTES else await _read(receive)
        except TimeoutError:
            text = f"the body did not arrive within {BODY_SECONDS:g} s"
            await problem(408, ErrorType.TIMEOUT, text, headers={"Connection": "close"})(scope, receive, send)
            return
        except _GoneError:
            return
        if body is None:
            text = f"the body may have at most {MOST_BODY_BYTES} bytes"
            await problem(413, ErrorType.TOO_LARGE, text, headers={"Connection": "close"})(scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


class _GoneError(Exception):
    """The client left."""


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None if it is too large."""
    body = bytearray()
    async with asyncio.timeout(BODY_SECONDS):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            body += message.get("body", b"")
            if len(body) > MOST_BODY_BYTES:
                return None
            if not message.get("more_body", False):
                return bytes(body)
