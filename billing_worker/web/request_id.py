"""A name for each request, in the answer's `Request-Id` and in every line of the log about it."""

import secrets
from contextvars import ContextVar

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "request-id"

_current: ContextVar[str] = ContextVar("request_id", default="")


def new_request_id() -> str:
    """A new name of 64 random bits: no two requests of one log share it."""
    return f"req_{secrets.token_hex(8)}"


def current_request_id() -> str:
    """The name of the request being served; empty outside of one."""
    return _current.get()


class RequestId:
    """Names each request. It ignores a name from the client, which could forge lines of the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the name to the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = new_request_id()
        _current.set(name)

        async def with_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER.encode(), name.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=name):
            await self._app(scope, receive, with_name)
