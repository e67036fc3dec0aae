"""`Idempotency-Key` for every change: the first answer is stored with its effect, and returned again.

Follows the IETF draft "The Idempotency-Key HTTP Header Field". Answers 401, 403, 408, 429 and 5xx are not kept: the
request had no effect, and may succeed later. Even then it has one effect.
"""

import asyncio
import contextvars
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing_worker.domain.card_numbers import holds_card_number
from billing_worker.domain.errors import Unavailable
from billing_worker.usecases.access.requests import KeyReused, OneEffect, RequestUnderWay
from billing_worker.web.context import Context, Held
from billing_worker.web.errors import ErrorType, problem, unavailable
from billing_worker.web.fingerprint import fingerprint
from billing_worker.web.security import Place

T = TypeVar("T")

AT_ONCE = 8
"""Requests with a key that are served at the same time. Each holds a connection until its commit."""

NAME = "Idempotency-Key"
LONGEST_KEY = 255
REPLAYED = (b"idempotency-replayed", b"true")

_KEY = re.compile(rb'"([\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21-\x7e]{1,255})')
"""The plain key, or a structured field's string in quotes as in the draft."""
_NOT_KEPT = frozenset({401, 403, 408, 429})


class Idempotency:
    """Runs behind the guard and the bound of bodies. Requests without the header pass unchanged."""

    def __init__(self, app: ASGIApp, context: Context, places: Sequence[Place]) -> None:
        self._app, self._context, self._changing = app, context, places
        # One thread per place, not the threads of the endpoints: those may all wait for a request that waits here. A
        # request keeps its thread until its commit, because a transaction keeps state in its thread.
        self._places: asyncio.Queue[ThreadPoolExecutor] = asyncio.Queue()
        for number in range(AT_ONCE):
            self._places.put_nowait(ThreadPoolExecutor(1, thread_name_prefix=f"keyed-{number}"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request once, or return the first answer."""
        sent = [value for name, value in scope.get("headers", ()) if name == b"idempotency-key"]
        if scope["type"] != "http" or not sent or not self._changes(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        key = _key_of(sent)
        if key is None:
            message = f"give it once, with 1 to {LONGEST_KEY} visible ASCII characters, and no card number"
            await problem(400, ErrorType.MALFORMED, message, field=NAME)(scope, receive, send)
            return
        body, replay = await _whole(receive)
        place = await self._places.get()
        try:
            await self._serve(place, _Keyed(key, fingerprint(scope, body)), scope, replay, send)
        finally:
            self._places.put_nowait(place)

    def _changes(self, method: str, path: str) -> bool:
        """Whether the address changes something. An unknown address is answered, and its answer not kept."""
        return any(each.fits(method, path) for each in self._changing)

    async def _serve(self, place: Executor, keyed: "_Keyed", scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = await _run(place, lambda: OneEffect.begin(self._context.ports, keyed.key, keyed.fingerprint))
        except RequestUnderWay as error:
            again = {"Retry-After": "1"}
            answer = problem(409, ErrorType.REQUEST_UNDER_WAY, str(error), field=NAME, headers=again)
            await answer(scope, receive, send)
            return
        except KeyReused as error:
            await problem(422, ErrorType.IDEMPOTENCY_KEY_REUSED, str(error), field=NAME)(scope, receive, send)
            return
        except Unavailable as error:
            await unavailable(scope["method"], error)(scope, receive, send)
            return
        ended = False
        try:
            if request.kept is not None:
                kept = request.kept
                answer_again = _Answer(kept.status, kept.content_type.encode(), kept.body)
                await _run(place, request.abandon)
                ended = True
                await answer_again.send(send, REPLAYED)
                return
            ended = await self._first(place, request, scope, receive, send)
        finally:
            if not ended:
                await asyncio.shield(_run(place, request.abandon))

    async def _first(self, place: Executor, request: OneEffect, scope: Scope, receive: Receive, send: Send) -> bool:
        """Serve it, store its answer, then send it; returns whether the request has ended in the database."""
        held = Held(request.key, request.ports.database, self._context.bell, self._context.ports)
        answer = _Answer()
        await self._app({**scope, Held.PLACE: held}, receive, answer.take)
        if not _is_kept(answer.status):
            await _run(place, request.abandon)
            await answer.send(send)
            return True
        try:
            kind = answer.content_type.decode("latin-1")
            await _run(place, lambda: request.keep(answer.status, kind, answer.body))
        except Unavailable as error:
            await unavailable(scope["method"], error)(scope, receive, send)
            return False
        held.ring()
        if held.has_work:
            await _run(place, held.work)
        await answer.send(send)
        return True


async def _run(place: Executor, work: Callable[[], T]) -> T:
    """Work in the place's own thread."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(place, lambda: context.run(work))


@dataclass(frozen=True, slots=True)
class _Keyed:
    """The key of a request, and its fingerprint."""

    key: str
    fingerprint: str


class _Answer:
    """An answer of the application, held back until its effect is durable."""

    def __init__(self, status: int = 500, content_type: bytes = b"", body: bytes = b"") -> None:
        self.status, self.body = status, body
        self._headers: list[tuple[bytes, bytes]] = []
        if content_type:
            length = str(len(body)).encode()
            self._headers = [(b"content-type", content_type), (b"content-length", length)]

    @property
    def content_type(self) -> bytes:
        """The content type of the body."""
        return next((value for name, value in self._headers if name == b"content-type"), b"")

    async def take(self, message: Message) -> None:
        """Store a part of the answer."""
        if message["type"] == "http.response.start":
            self.status, self._headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    async def send(self, send: Send, *more: tuple[bytes, bytes]) -> None:
        """Send the answer."""
        await send({"type": "http.response.start", "status": self.status, "headers": [*self._headers, *more]})
        await send({"type": "http.response.body", "body": self.body})


def _is_kept(status: int) -> bool:
    return status < 500 and status not in _NOT_KEPT  # noqa: PLR2004 - from here on it is our own failure


def _key_of(sent: list[bytes]) -> str | None:
    found = _KEY.fullmatch(sent[0].strip()) if len(sent) == 1 else None
    key = None if found is None else (found[1] or found[2]).decode("ascii")
    return None if key is None or holds_card_number(key) else key  # it is stored


async def _whole(receive: Receive) -> tuple[bytes, Receive]:
    """The body, which was already read, and a way to pass it on again."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return body, replay
