"""The line itself: what a client may send before anything of ours looks at it, and how long it may take.

uvicorn bounds neither the size of a head nor the time in which it arrives, and closes no connection that says nothing.
llhttp, the parser, refuses what two readers could read in two ways: both lengths, two lengths, garbage in chunks.
"""

import asyncio
import heapq
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from billing_worker.web.errors import ErrorType
from billing_worker.web.overload import FULL, HEALTH, raw_problem, shed

MOST_HEAD = 16 * 1024
"""Bytes of request line and headers; a pingback's query string has at most 8 KiB."""
MOST_FIELDS = 64
"""Headers; a proxy and a browser together send some 30."""
HEAD_SECONDS = 10.0
"""Within this a head arrives over any line, the first one counted from the connection."""
TAKE_SECONDS = 30.0
"""Within this a client takes its answer off us."""
MOST_PIPELINED = 16
"""Requests sent before the first is answered; no sender of ours does it at all."""
MOST_CONNECTIONS = 2000
"""Open at once. With more, those go that have said least for longest; where all are worked for, new ones are told to
come again."""
RESERVE = 50
"""Connections on top, in which only health checks are served: overload must not look like death."""
SLOW = 1.0
"""Seconds: whoever needs longer for a request, or says nothing for longer, makes room first."""
ROOM = 50
"""Connections closed at a time to make room: looking for them costs more than closing them."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection, with bounds. Its refusals are problems in the one shape, and are not logged: floods would be."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._application = self.app
        self._refusal: tuple[int, ErrorType, str] | None = None
        self._in_head = True
        self._whole = True
        """Nothing of a request is still to come."""
        self._ended = False
        """What still comes is not read."""
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
        """Read on. Whatever is wrong with it is answered once, and the connection closed."""
        if self._ended or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # it is answered as what it is without the upgrade, and the connection then closed
        except httptools.HttpParserError:
            self._refuse(*(self._refusal or (400, ErrorType.MALFORMED, "this is not HTTP")))
            return
        if self._in_head and self._head_bytes > MOST_HEAD:
            self._refuse(431, ErrorType.TOO_LARGE, f"the head may have at most {MOST_HEAD} bytes")
        elif self._in_head and self._deadline is None and (self._head_bytes or not self._is_working):
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def on_message_begin(self) -> None:
        """Begin with a head."""
        if len(self.pipeline) >= MOST_PIPELINED:
            self._fail(400, ErrorType.MALFORMED, f"at most {MOST_PIPELINED} requests may wait for their answers")
        self._whole = False
        self._head_size = self._head_fields = 0
        self._since = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take the address in."""
        super().on_url(url)
        self._bound(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header in; those after the body count, and nobody reads them."""
        self._head_fields += 1
        self._bound(len(name) + len(value))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to work on it, unless too much is being worked on."""
        self._in_time()
        self._in_head = False
        version = self.parser.get_http_version()
        names = [name for name, _ in self.headers]
        if version not in ("1.0", "1.1"):
            self._fail(400, ErrorType.MALFORMED, "only versions 1.1 and 1.0 are spoken here")
        if names.count(b"host") != 1 and (version == "1.1" or b"host" in names):
            self._fail(400, ErrorType.MALFORMED, "a request names one host")
        if version == "1.0" and b"transfer-encoding" in names:
            self._fail(400, ErrorType.MALFORMED, "version 1.0 knows no transfer encodings")
        full = len(self.connections) > MOST_CONNECTIONS and self.url.partition(b"?")[0].decode("latin-1") not in HEALTH
        self.app = shed if full else self._application
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Begin anew."""
        self._in_head = self._whole = True
        self._head_bytes = 0
        self._in_time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next one; the rest of what was answered before it had come is waited for as a head is."""
        self._since = self.loop.time()
        super().on_response_complete()
        if not self._in_head and not self.pipeline and self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def pause_writing(self) -> None:
        """Wait for a client to take what is ready, but not for ever."""
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
        """Close some of those that are slow: a crowd that sends nothing keeps nobody out."""
        patience = self.loop.time() - SLOW
        others: list[BoundedProtocol] = [other for other in self.connections if isinstance(other, BoundedProtocol)]
        slow = (other for other in others if other._since < patience and not other._is_working)  # noqa: SLF001 - its own kind
        for other in heapq.nsmallest(ROOM, slow, key=lambda other: other._since):  # noqa: SLF001
            other.transport.abort()
            self.connections.discard(other)

    def _bound(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MOST_HEAD:
            self._fail(431, ErrorType.TOO_LARGE, f"the head may have at most {MOST_HEAD} bytes")
        if self._head_fields > MOST_FIELDS:
            self._fail(431, ErrorType.TOO_LARGE, f"a request may have at most {MOST_FIELDS} headers")

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
        """Answer and close. No answer ever stands where another request's answer is waited for."""
        self._in_time()
        self._ended = True
        cycle = self.cycle
        if self._is_working:  # those before it are good: they get their answers, and then it ends
            cycle.keep_alive = False
            return
        if cycle is None or cycle.response_complete:
            self.transport.write(raw_problem(status, kind, message))
        elif not cycle.response_started and not self.pipeline:
            self.transport.write(raw_problem(status, kind, message))
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
