"""HTTP connections that keep a total deadline.

httpx limits each single read, so an answer of one byte per second never ends. Here each read and write gets the rest of
its call's deadline.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import httpcore
import httpx

KEEPALIVE_SECONDS = 5.0
"""Idle connections are dropped soon: if the server closes one during its reuse, the outcome is unknown."""


class Deadline:
    """A point in monotonic time."""

    __slots__ = ("at",)

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; not above zero when it has passed."""
        return self.at - time.monotonic()

    def at_most(self, seconds: float) -> "Deadline":
        """The earlier of this deadline and this many seconds from now."""
        return Deadline(min(seconds, self.remaining()))


@cache
def trusted() -> ssl.SSLContext:
    """The authorities that connections trust: certifi's, whatever the environment names. Read once a process."""
    return httpx.create_ssl_context(trust_env=False)


_running: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    """All connections used by this thread inside the block keep the deadline."""
    # A synchronous httpcore reads and writes a request in the calling thread.
    token = _running.set(deadline)
    try:
        yield
    finally:
        _running.reset(token)


def _left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    deadline = _running.get()
    if deadline is None:
        return timeout
    left = deadline.remaining()
    if left <= 0:
        raise late("the deadline has passed")
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes end with the deadline of the call that they serve."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
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
    """As httpx.HTTPTransport, over connections with the deadline of the running call.

    Sends each request at most once: httpcore repeats only the connection, and `retries=0` also forbids that. Its errors
    are httpcore's own. `sockets` opens the connections: by default the operating system.
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
