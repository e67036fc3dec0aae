"""Connections to one gateway in an event loop: one request at a time on each, one answer to each request.

httpx's own asynchronous transport costs three times the CPU of its threads (docs/decisions/0028). This one reads with
httptools and knows two facts that httpx does not show: whether a byte of the request was passed to a socket, and the
start of an incomplete answer. A connection that brings more than one answer is not used again: the rest could pass for
the answer to the next request.
"""

import asyncio
import select
import ssl
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import httptools
import httpx

LOWEST_FINAL_STATUS = 200
KEEPALIVE_SECONDS = 5.0
"""Idle connections are dropped soon: if the server closes one during its reuse, the outcome is unknown."""
MOST_HEAD_BYTES = 64 * 1024
MOST_BODY_BYTES = 1024 * 1024
"""As received. A page of 100 payments has about 200 KB."""


class BrokenAnswer(Exception):
    """The connection brought no complete, readable answer."""


class TooLarge(BrokenAnswer):
    """The answer is larger than any valid one."""


@dataclass(slots=True)
class Exchange:
    """One request under way: whether any byte was passed to a socket, and the start of its answer."""

    connect_by: float
    """The deadline for the connection, in the loop's time."""
    sent: bool = False
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    """As received, not unpacked."""


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.reusable = True
        self.idle_since = 0.0
        self._transport: Any = None
        self._exchange: Exchange | None = None
        self._answered: asyncio.Future[None] | None = None
        self._parser: Any = None
        self._head_bytes = 0
        self._has_head = False
        self._complete = False

    async def ask(self, request: bytes, exchange: Exchange) -> None:
        """Send the request and read its answer into the exchange. Raises BrokenAnswer, OSError."""
        self._answered = asyncio.get_running_loop().create_future()
        self._exchange = exchange
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes, self._has_head, self._complete = 0, False, False
        exchange.sent = True
        self._transport.write(request)
        await self._answered
        self._exchange = self._parser = self._answered = None

    def is_quiet(self) -> bool:
        """Whether the idle connection got neither bytes nor its end, read or unread."""
        sock = self._transport.get_extra_info("socket")
        if not self.reusable or sock is None or sock.fileno() < 0:
            return False
        news = select.poll()
        news.register(sock.fileno(), select.POLLIN)
        return not news.poll(0)

    def close(self) -> None:
        """Close at once, without sending the rest."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._parser is None or self._complete:
            self.close()  # no request is under way: it must not pass for the answer to the next one
            return
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(BrokenAnswer(f"not HTTP: {type(error).__name__}"))
            return
        if not self._has_head and self._head_bytes > MOST_HEAD_BYTES:
            self._break(TooLarge(f"a head of more than {MOST_HEAD_BYTES} bytes"))
        elif self._exchange is not None and len(self._exchange.body) > MOST_BODY_BYTES:
            self._break(TooLarge(f"HTTP {self._exchange.status} with more than {MOST_BODY_BYTES} bytes"))

    def eof_received(self) -> None:
        """Called by the loop: the server sends no more; the loop closes the connection then."""
        self.reusable = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop: the server closed, or the connection broke."""
        self.reusable = False
        if exc is None and self._ends_with_the_connection():
            self._finish()
        else:
            self._break(exc or BrokenAnswer("the connection was closed before the answer was whole"))

    # httptools'

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self._complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if self._exchange is not None and not self._complete:
            self._exchange.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self._exchange is not None and not self._complete:
            self._exchange.status = self._parser.get_status_code()
            self._has_head = self._exchange.status >= LOWEST_FINAL_STATUS

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if self._exchange is not None and not self._complete:
            self._exchange.body += body

    def on_message_complete(self) -> None:
        """Called by the parser; 100 Continue is not an answer."""
        if self._exchange is None or self._complete:
            return
        if self._exchange.status < LOWEST_FINAL_STATUS:
            self._exchange.headers.clear()
            return
        self.reusable = self.reusable and self._parser.should_keep_alive()
        self._finish()

    def _ends_with_the_connection(self) -> bool:
        """Whether the answer ends with the connection, because it announced no other end."""
        if self._exchange is None or not self._has_head or self._complete:
            return False
        names = {name.lower() for name, _ in self._exchange.headers}
        return names.isdisjoint({b"content-length", b"transfer-encoding"})

    def _finish(self) -> None:
        self._complete = True
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def _break(self, error: Exception) -> None:
        if self._complete:
            self.close()  # the first answer is complete; further bytes make the connection useless
            return
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)
        self.close()


class Wires(httpx.AsyncBaseTransport):
    """As httpx.AsyncHTTPTransport, for one host: each request is sent at most once.

    A request carries its `Exchange` as the extension of that name. For one event loop.
    """

    def __init__(self, max_connections: int, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._free = asyncio.Semaphore(max_connections)
        self._idle: deque[Wire] = deque()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read its whole answer. Raises OSError, TimeoutError, BrokenAnswer, ValueError."""
        exchange: Exchange = request.extensions["exchange"]
        written = _written(request)
        async with asyncio.timeout_at(exchange.connect_by):
            await self._free.acquire()
        try:
            wire = await self._connected(request.url, exchange)
            try:
                await wire.ask(written, exchange)
            except BaseException:
                wire.close()
                raise
            if wire.reusable:
                wire.idle_since = asyncio.get_running_loop().time()
                self._idle.append(wire)
            else:
                wire.close()
        finally:
            self._free.release()
        return httpx.Response(exchange.status, headers=exchange.headers, stream=httpx.ByteStream(bytes(exchange.body)))

    async def aclose(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def _connected(self, url: httpx.URL, exchange: Exchange) -> Wire:
        loop = asyncio.get_running_loop()
        while self._idle:
            wire = self._idle.pop()  # the most recently used one: the others become stale and are dropped
            if loop.time() - wire.idle_since < KEEPALIVE_SECONDS and wire.is_quiet():
                return wire
            wire.close()
        secure = url.scheme == "https"
        async with asyncio.timeout_at(exchange.connect_by):
            _, wire = await loop.create_connection(
                Wire,
                url.raw_host.decode("ascii"),
                url.port or (443 if secure else 80),
                ssl=self._tls if secure else None,
                server_hostname=url.host if secure else None,
            )
        return wire


def _written(request: httpx.Request) -> bytes:
    """The bytes of a request. Raises ValueError if a header contains a line break, which would begin another header."""
    lines = [request.method.encode("ascii") + b" " + request.url.raw_path + b" HTTP/1.1"]
    for name, value in request.headers.raw:
        if any(sign in value for sign in (b"\r", b"\n", b"\0")):
            raise ValueError("a header with a line break")
        lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", request.content])
