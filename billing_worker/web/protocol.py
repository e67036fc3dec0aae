"""Limits on the connection: how much a client may send before the application reads it, and how long it may take.

uvicorn limits neither the size of a head nor its time of arrival, and does not close a silent connection. llhttp, the
parser, refuses ambiguous requests: both kinds of length, two lengths, garbage in chunks.
"""

import asyncio
import heapq
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from billing_worker.web.errors import ErrorType
from billing_worker.web.overload import FULL, HEALTH, raw_problem, shed

MOST_HEAD_BYTES = 16 * 1024
"""Bytes of request line and headers; a pingback's query string has at most 8 KiB."""
MOST_HEADERS = 64
"""Headers; a proxy and a browser together send some 30."""
HEAD_SECONDS = 10.0
"""A head arrives over any line within this time. For the first one, it begins with the connection."""
TAKE_SECONDS = 30.0
"""A client reads its answer within this time."""
MOST_PIPELINED_REQUESTS = 16
"""Requests sent before the first is answered. PortOne and Paymentwall do not pipeline at all."""
MOST_CONNECTIONS = 2000
"""Open connections. Beyond this, the slowest are closed; if all are being served, new ones are asked to retry."""
RESERVE = 50
"""Further connections that serve only health checks: overload must not look like death."""
SLOW = 1.0
"""Seconds: a client that needs longer for a request, or is silent for longer, is closed first."""
ROOM = 50
"""Connections closed at a time to make room: finding them costs more than closing them."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection with limits. Its refusals are problems, and are not logged: a flood would fill the log."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._application = self.app
        self._refusal: tuple[int, ErrorType, str] | None = None
        self._in_head = True
        self._whole = True
        """Whether the present request has arrived as a whole."""
        self._ended = False
        """Whether further data is ignored."""
        self._head_bytes = self._head_size = self._head_fields = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._since = self.loop.time()
        """When the last request was answered, or the next one began."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Take the connection, or refuse it."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()
            if len(self.connections) > MOST_CONNECTIONS + RESERVE:
                self._refuse(503, ErrorType.UNAVAILABLE, FULL)
                return
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._in_time()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Read on. The first error is answered, and the connection closed."""
        if self._ended or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # it is answered as if it asked for no upgrade, and the connection is then closed
        except httptools.HttpParserError:
            self._refuse(*(self._refusal or (400, ErrorType.MALFORMED, "this is not HTTP")))
            return
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self._refuse(431, ErrorType.TOO_LARGE, f"the head may have at most {MOST_HEAD_BYTES} bytes")
        elif self._in_head and self._deadline is None and (self._head_bytes or not self._is_working):
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def on_message_begin(self) -> None:
        """Begin with a head."""
        if len(self.pipeline) >= MOST_PIPELINED_REQUESTS:
            self._fail(
                400, ErrorType.MALFORMED, f"at most {MOST_PIPELINED_REQUESTS} requests may wait for their answers"
            )
        self._whole = False
        self._head_size = self._head_fields = 0
        self._since = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Read the address."""
        super().on_url(url)
        self._bound(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header. Headers after the body are counted and ignored."""
        self._head_fields += 1
        self._bound(len(name) + len(value))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to serve the request, unless too many are being served."""
        self._in_time()
        self._in_head = False
        version = self.parser.get_http_version()
        names = [name for name, _ in self.headers]
        if version not in ("1.0", "1.1"):
            self._fail(400, ErrorType.MALFORMED, "only versions 1.1 and 1.0 are spoken here")
        if names.count(b"host") != 1 and (version == "1.1" or b"host" in names):
            self._fail(400, ErrorType.MALFORMED, "a request names one host")
        if version == "1.0" and b"transfer-encoding" in names:
            self._fail(400, ErrorType.MALFORMED, "version 1.0 has no transfer encodings")
        full = len(self.connections) > MOST_CONNECTIONS and self.url.partition(b"?")[0].decode("latin-1") not in HEALTH
        self.app = shed if full else self._application
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Begin with the next request."""
        self._in_head = self._whole = True
        self._head_bytes = 0
        self._in_time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request. If the answer came before the whole request, its rest has the time of a head."""
        self._since = self.loop.time()
        super().on_response_complete()
        if not self._in_head and not self.pipeline and self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def pause_writing(self) -> None:
        """Wait for a client to read its answer, up to the limit."""
        super().pause_writing()
        self._in_time()
        self._deadline = self.loop.call_later(TAKE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        self._in_time()
        super().resume_writing()

    @property
    def _is_working(self) -> bool:
        """Whether a whole request waits for its answer."""
        return self.cycle is not None and not self.cycle.response_complete and (self._whole or self._in_head)

    def _make_room(self) -> None:
        """Close some slow connections: a crowd of silent clients keeps no other client out."""
        patience = self.loop.time() - SLOW
        others: list[BoundedProtocol] = [other for other in self.connections if isinstance(other, BoundedProtocol)]
        slow = (other for other in others if other._since < patience and not other._is_working)  # noqa: SLF001 - its own kind
        for other in heapq.nsmallest(ROOM, slow, key=lambda other: other._since):  # noqa: SLF001
            other.transport.abort()
            self.connections.discard(other)

    def _bound(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MOST_HEAD_BYTES:
            self._fail(431, ErrorType.TOO_LARGE, f"the head may have at most {MOST_HEAD_BYTES} bytes")
        if self._head_fields > MOST_HEADERS:
            self._fail(431, ErrorType.TOO_LARGE, f"a request may have at most {MOST_HEADERS} headers")

    def _fail(self, status: int, kind: ErrorType, message: str) -> None:
        self._refusal = (status, kind, message)
        raise ValueError(message)  # the parser ends with it, and `data_received` answers

    def _late(self) -> None:
        self._deadline = None
        if self._head_bytes:
            self._refuse(408, ErrorType.TIMEOUT, f"the head did not arrive within {HEAD_SECONDS:g} s")
        else:
            self.transport.close()

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int, kind: ErrorType, message: str) -> None:
        """Answer and close. A refusal never takes the place of another request's answer."""
        self._in_time()
        self._ended = True
        cycle = self.cycle
        if self._is_working:  # earlier requests are good: they get their answers first
            cycle.keep_alive = False
            return
        if cycle is None or cycle.response_complete:
            self.transport.write(raw_problem(status, kind, message))
        elif not cycle.response_started and not self.pipeline:
            self.transport.write(raw_problem(status, kind, message))
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
