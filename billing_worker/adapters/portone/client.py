"""One HTTP exchange with PortOne: sent at most once, within a deadline, without raising for an outside failure."""

import asyncio
import ssl
import time
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from billing_worker.adapters.call_times import CallTimes
from billing_worker.adapters.masking import blanked, one_line
from billing_worker.adapters.network import Deadline, trusted
from billing_worker.adapters.portone.loop import Loop
from billing_worker.adapters.portone.requests import Call
from billing_worker.adapters.portone.wire import MOST_BODY_BYTES, Exchange, Wires
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.payment import Trouble

MOST_EVIDENCE_BYTES = 8192
"""Bytes of an incomplete answer that are kept as evidence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the request reached a socket, or the gateway refused it without an effect."""

    reason: str
    trouble: Trouble | None = Trouble.NOT_REACHED
    """None where the gateway is not the cause."""
    late: bool = False
    """Whether time ran out: a stall of this process may explain that, and nothing else."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may have arrived, but no complete answer came. `head` is the start of the answer, if any."""

    reason: str
    head: bytes = field(default=b"", repr=False)
    late: bool = False
    """Whether time ran out: a stall of this process may explain that, and nothing else."""


Result = Answer | NotSent | NoAnswer


class Client:
    """Connections to one host, made at first use in their own event loop. Safe for many threads.

    Not for use across a fork.
    """

    def __init__(
        self, base_url: str, *, connect_timeout: float, max_connections: int, tls: ssl.SSLContext | None
    ) -> None:
        self._base_url = base_url
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._tls = tls
        self._http: httpx.AsyncClient | None = None
        self.loop = Loop()
        """The loop in which the calls wait for their answers."""
        self.times = CallTimes()
        """How long they took, failed ones too."""

    def exchange(self, call: Call, token: str | None, deadline: Deadline, secrets: Collection[str]) -> Result:
        """Send one request and read its whole answer. Must not be called in the loop's own thread."""
        return self.loop.run(self.exchanged(call, token, deadline, secrets))

    async def exchanged(self, call: Call, token: str | None, deadline: Deadline, secrets: Collection[str]) -> Result:
        """As `exchange`, inside the loop."""
        if call.kind is None:
            return await self._exchanged(call, token, deadline, secrets)
        began = time.monotonic()
        try:
            return await self._exchanged(call, token, deadline, secrets)
        finally:
            self.times.add(call.kind, time.monotonic() - began)

    async def _exchanged(self, call: Call, token: str | None, deadline: Deadline, secrets: Collection[str]) -> Result:
        exchange = Exchange(connect_by=min(deadline.at, asyncio.get_running_loop().time() + self._connect_timeout))
        try:
            result = await self._send(call, token, deadline, exchange)
        except Exception as error:  # noqa: BLE001 - whatever breaks in the HTTP stack: was it sent is all that counts
            reason = one_line(f"{type(error).__name__}: {error}", secrets)
            late = isinstance(error, TimeoutError)
            if not exchange.sent:
                return NotSent(reason, late=late)
            return NoAnswer(reason, blanked(_beginning(exchange), secrets), late)
        # Blank the secrets before any other code reads the answer, so that no reason, evidence or log can repeat them.
        if isinstance(result, Answer):
            return Answer(result.status, blanked(result.body, secrets))
        return NoAnswer(result.reason, blanked(_beginning(exchange), secrets))

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        http, self._http = self._http, None
        if http is not None:
            self.loop.run(http.aclose())
        self.loop.close()

    async def _send(self, call: Call, token: str | None, deadline: Deadline, exchange: Exchange) -> Answer | NoAnswer:
        if deadline.remaining() <= 0:
            raise TimeoutError("the deadline has passed")
        headers = {"Accept-Encoding": "gzip"}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        http = self._client()
        request = http.build_request(
            call.method,
            self._base_url + call.path,
            content=call.body,
            headers=headers,
            extensions={"exchange": exchange},
        )
        try:
            async with asyncio.timeout_at(deadline.at):
                response = await http.send(request, stream=True)
        except TimeoutError as error:
            raise TimeoutError("no whole answer came in time" if exchange.sent else "no connection in time") from error
        return _whole(response.status_code, response.headers.get("content-encoding", ""), exchange.body)

    def _client(self) -> httpx.AsyncClient:
        """Called in the loop only."""
        if self._http is None:
            # trust_env=False: the process's environment must not decide where a charge goes or which certificates are
            # trusted.
            self._http = httpx.AsyncClient(
                transport=Wires(self._max_connections, self._tls or trusted()),
                trust_env=False,
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            )
        return self._http


def host_of(base_url: str) -> str:
    """The host of a usable base URL. Raises SettingsInvalid, without repeating a possible secret."""
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise SettingsInvalid("BILLING_PORTONE_API_URL: must be an address such as https://api.iamport.kr")
    return url.netloc.decode("ascii")


def _whole(status: int, encoding: str, body: bytes | bytearray) -> Answer | NoAnswer:
    match encoding.strip().lower():
        case "" | "identity":
            return Answer(status, bytes(body))
        case "gzip":
            unpack = zlib.decompressobj(wbits=31)
            # Unpack at most one byte more than allowed, so that a compression bomb is detected early.
            unpacked = unpack.decompress(bytes(body), MOST_BODY_BYTES + 1)
            if len(unpacked) > MOST_BODY_BYTES:
                return NoAnswer(f"HTTP {status} with more than {MOST_BODY_BYTES} bytes")
            if not unpack.eof:
                return NoAnswer(f"HTTP {status} with a truncated gzip body")
            return Answer(status, unpacked)
        case _:
            return NoAnswer(f"HTTP {status} in an encoding that was not requested")


def _beginning(exchange: Exchange) -> bytes:
    """The start of an incomplete answer, as evidence."""
    encodings = [value.strip().lower() for name, value in exchange.headers if name.lower() == b"content-encoding"]
    if encodings != [b"gzip"]:
        return bytes(exchange.body[:MOST_EVIDENCE_BYTES])
    try:
        return zlib.decompressobj(wbits=31).decompress(bytes(exchange.body), MOST_EVIDENCE_BYTES)
    except zlib.error:
        return b""
