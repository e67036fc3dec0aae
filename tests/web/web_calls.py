"""How the tests speak to the application, and what every answer must be like."""

import asyncio
import hashlib
import re
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
from fastapi import FastAPI

from tests.support.plain_http import WITHOUT_TLS

DEADLINE = 60.0
SECRET = "paymentwall-project-secret"
TOKEN = "api-token-of-the-tests"
SANDBOX = "http://127.0.0.1:9/"
PLAN = {"name": "Basic", "amount": 9900, "currency": "KRW", "interval": "month"}
HINT = {"imp_uid": "imp_123456789012", "merchant_uid": "order-1", "status": "paid"}
URN = "urn:billing-worker:problem:"
ERROR_TYPES = {
    400: ("malformed", "invalid_input"),
    401: ("unauthorized",),
    403: ("forbidden", "signature_invalid"),
    404: ("not_found",),
    405: ("method_not_allowed",),
    408: ("timeout",),
    409: ("conflict", "already_exists", "request_under_way"),
    413: ("too_large",),
    415: ("unsupported_media_type",),
    422: ("invalid_input", "idempotency_key_reused"),
    500: ("internal",),
    503: ("unavailable",),
}


class Api(httpx.Client):
    """A client that holds every answer against the description: its status, and the one shape of a problem."""

    def __init__(self, base_url: str, description: dict[str, Any], **options: Any) -> None:
        self._addresses = description["paths"]
        self._operations = [
            (re.compile(re.sub(r"\{\w+\}", r"[^/]+", path)), operations)
            for path, operations in description["paths"].items()
        ]
        hooks = {"response": [self._check]}
        options = {"headers": {"Authorization": f"Bearer {TOKEN}"}} | options
        super().__init__(
            base_url=base_url, verify=WITHOUT_TLS, timeout=DEADLINE, trust_env=False, event_hooks=hooks, **options
        )

    def _check(self, answer: httpx.Response) -> None:
        answer.read()
        assert "server" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert re.fullmatch("req_[0-9a-f]{16}", answer.headers["request-id"])
        if answer.status_code >= 400:
            assert_problem(answer)
        own = self._addresses.get(answer.request.url.path)  # an address of its own is no identifier of another
        for path, operations in self._operations:
            if own is not None and operations is not own:
                continue
            operation = operations.get(answer.request.method.lower())
            if operation is not None and path.fullmatch(answer.request.url.path):
                documented = operation["responses"]
                assert str(answer.status_code) in documented, f"{answer.request.url} answers {answer.status_code}"
                return  # the first that fits is the one that answered


def eventually(condition: Callable[[], bool], what: str = "a condition") -> None:
    """Return once it is true; fail after the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"gave up waiting for {what}"
        time.sleep(0.01)


def assert_problem(answer: httpx.Response, status: int | None = None, field: str | None = None) -> str:
    """The answer is a problem in the one shape; returns its message."""
    if status is not None:
        assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    error = answer.json()
    assert set(error) - {"field", "existing_id"} == {"type", "title", "status", "detail", "way_out", "request_id"}
    assert error["type"].removeprefix(URN) in ERROR_TYPES[answer.status_code]
    assert error["status"] == answer.status_code
    if "idempotency-replayed" not in answer.headers:  # else it is the first request's
        assert error["request_id"] == answer.headers.get("request-id")
    assert "\n" not in error["detail"]
    for leak in ("Traceback", "SELECT", "INSERT", "psycopg", "sqlalchemy", SECRET, TOKEN):
        assert leak not in answer.text
    if field is not None:
        assert error.get("field") == field, answer.text
    return str(error["detail"])


def pingback(*, secret: str = SECRET, **fields: str) -> str:
    """The query string of a pingback, signed with version 3."""
    values = {"uid": "user-1-card-1", "goodsid": "gold", "slength": "", "speriod": "", "type": "0", "ref": "b123"}
    values |= {"sign_version": "3"} | fields
    base = "".join(f"{name}={values[name]}" for name in sorted(values)) + secret
    return urlencode(values | {"sig": hashlib.sha256(base.encode()).hexdigest()})


def asked_from(app: FastAPI, peer: str, method: str, path: str, **headers: str) -> int:
    """The status that a client at another address gets; without a network, since there is only this machine."""
    status: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000")]
        + [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": (peer, 40_000),
        "server": ("127.0.0.1", 8000),
    }
    asyncio.run(app(scope, receive, send))
    return status[0]


def first_words(url: str, sent: bytes) -> bytes:
    """The beginning of what the server answers to these very bytes, while the client keeps the line open."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
        connection.sendall(sent)
        return connection.recv(65_536)
