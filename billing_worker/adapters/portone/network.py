"""HTTP connections that keep a total deadline and know whether a request can have left.

httpx limits every single read, so an answer that drips one byte a second never ends. Here each read and write gets
what is left of the deadline of the call it belongs to. And the first byte that is handed to a socket is noted: before
it, a failed call was provably not sent; after it, nothing is certain.

And one request gets one answer: a connection that brings more than that is not used again, or what is left over would
be taken for the answer to the next request.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httptools
import httpx

LOWEST_FINAL_STATUS = 200
KEEPALIVE_SECONDS = 5.0
"""Idle connections are dropped soon: one that the server closes just as we reuse it costs an unknown outcome."""


class Deadline:
    """A point in monotonic time."""

    __slots__ = ("at",)

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; not above zero when it has passed."""
        return self.at - time.monotonic()

    def at_most(self, seconds: float) -> "Deadline":
        """The earlier of this one and so many seconds from now."""
        return Deadline(min(seconds, self.remaining()))


class Answers:
    """Notices when a connection brings more than one answer; h11 would keep the rest for the next request."""

    __slots__ = ("_complete", "_parser", "surplus")

    def __init__(self) -> None:
        self.surplus = False
        self._complete = False
        self._parser: Any = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:  # whether it is an answer is for others to say
            self.surplus, self._parser = self._complete, None

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self.surplus = self.surplus or self._complete

    def on_message_complete(self) -> None:
        """Called by the parser; 100 Continue is no answer."""
        self._complete = self._complete or self._parser.get_status_code() >= LOWEST_FINAL_STATUS


class Exchange:
    """One request on its way: its deadline, whether any byte of it was handed to a socket, and how its answer began."""

    __slots__ = ("answers", "deadline", "head", "sent")

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.sent = False
        self.answers = Answers()
        self.head = b""


_running: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextmanager
def running(exchange: Exchange) -> Iterator[None]:
    """All connections used by this thread inside the block belong to `exchange`."""
    # A synchronous httpcore does all reading and writing of a request in the thread that asked for it.
    token = _running.set(exchange)
    try:
        yield
    finally:
        _running.reset(token)


def _left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    exchange = _running.get()
    if exchange is None:
        return timeout
    left = exchange.deadline.remaining()
    if left <= 0:
        raise late("the deadline has passed")
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection whose every act ends with the exchange that it serves."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))
        exchange = _running.get()
        if exchange is not None:
            exchange.answers.feed(data)
            if exchange.answers.surplus:
                # The first answer is whole; the pool does not hand out a closed connection again.
                self._stream.close()
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        limit = _left(timeout, httpcore.WriteTimeout)
        exchange = _running.get()
        if exchange is not None and buffer:
            exchange.sent = True
        self._stream.write(buffer, limit)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        # The handshake writes, but nothing of the request: it does not count as sent.
        limit = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, limit))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, sockets: httpcore.NetworkBackend) -> None:
        self._sockets = sockets

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        limit = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._sockets.connect_tcp(host, port, limit, local_address, socket_options))


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class DeadlineTransport(httpx.BaseTransport):
    """What httpx.HTTPTransport does, over connections that keep the deadline of the running exchange.

    Sends each request at most once: httpcore repeats only connecting, and `retries=0` forbids that too. Its errors
    are httpcore's own. `sockets` is who connects: the operating system, unless told otherwise.
    """

    def __init__(
        self, max_connections: int, tls: ssl.SSLContext, sockets: httpcore.NetworkBackend | None = None
    ) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=KEEPALIVE_SECONDS,
            retries=0,
            network_backend=_Backend(sockets or httpcore.SyncBackend()),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body of the answer is still to be read."""
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
