"""One HTTP exchange with PortOne: sent at most once, within a deadline, never raising for what the outside does."""

import ssl
import threading
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from billing_worker.adapters.portone.masking import blanked, one_line
from billing_worker.adapters.portone.network import Deadline, DeadlineTransport, Exchange, running
from billing_worker.adapters.portone.requests import Call
from billing_worker.domain.errors import SettingsInvalid

LARGEST_HEAD = 8192
"""Bytes of an answer that never ended which are kept as evidence."""

LARGEST_ANSWER = 1024 * 1024
"""Bytes, before and after unpacking. A page of 100 payments has about 200 KB."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the request reached a socket, or the gateway refused it before it did anything."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may have arrived; a complete answer did not. `head` is how the answer began, if it did."""

    reason: str
    head: bytes = field(default=b"", repr=False)


Result = Answer | NotSent | NoAnswer


class Client:
    """A pool of connections to one host, made on first use. Safe for many threads, not for use across a fork."""

    def __init__(
        self, base_url: str, *, connect_timeout: float, max_connections: int, tls: ssl.SSLContext | None
    ) -> None:
        self._base_url = base_url
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._tls = tls
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None

    def exchange(self, call: Call, token: str | None, deadline: Deadline, secrets: Collection[str]) -> Result:
        """Send one request and read its whole answer."""
        exchange = Exchange(deadline)
        try:
            with running(exchange):
                result = self._send(call, token, exchange)
        except Exception as error:  # noqa: BLE001 - whatever breaks in the HTTP stack: was it sent is all that counts
            reason = one_line(f"{type(error).__name__}: {error}", secrets)
            return NoAnswer(reason, blanked(exchange.head, secrets)) if exchange.sent else NotSent(reason)
        # Blanked before anybody reads it: no reason, no evidence and no log can repeat what it never saw.
        if isinstance(result, Answer):
            return Answer(result.status, blanked(result.body, secrets))
        return NoAnswer(result.reason, blanked(exchange.head, secrets)) if isinstance(result, NoAnswer) else result

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def _send(self, call: Call, token: str | None, exchange: Exchange) -> Result:
        headers = {"Accept-Encoding": "gzip"}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connect = min(self._connect_timeout, max(exchange.deadline.remaining(), 0.0))
        http = self._client()
        request = http.build_request(
            call.method,
            self._base_url + call.path,
            content=call.body,
            headers=headers,
            timeout=httpx.Timeout(exchange.deadline.remaining(), connect=connect, pool=connect),
        )
        response = http.send(request, stream=True)
        try:
            return _whole(response, exchange)
        finally:
            response.close()

    def _client(self) -> httpx.Client:
        http = self._http
        if http is None:
            with self._lock:
                http = self._http = self._http or self._new_client()
        return http

    def _new_client(self) -> httpx.Client:
        # trust_env=False: the environment of whoever started the process must not decide where a charge goes or
        # whose certificates are trusted.
        tls = self._tls or httpx.create_ssl_context(trust_env=False)
        nothing = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        return httpx.Client(
            transport=DeadlineTransport(self._max_connections, tls),
            trust_env=False,
            follow_redirects=False,
            cookies=nothing,
        )


def host_of(base_url: str) -> str:
    """The host of a usable base URL. Raises SettingsInvalid, without repeating what may be a secret."""
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise SettingsInvalid("BILLING_PORTONE_API_URL: must be an address such as https://api.iamport.kr")
    return url.netloc.decode("ascii")


def _whole(response: httpx.Response, exchange: Exchange) -> Result:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip"):
        return NoAnswer(f"HTTP {response.status_code} in an encoding that was not asked for")
    unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    received = 0
    parts: list[bytes] = []
    kept = 0
    for chunk in response.iter_raw():
        received += len(chunk)
        # One byte more than allowed is unpacked at most: a bomb is seen without being blown up.
        part = unpack.decompress(chunk, LARGEST_ANSWER + 1 - kept) if unpack else chunk
        if kept < LARGEST_HEAD:
            exchange.head += part[: LARGEST_HEAD - kept]
        kept += len(part)
        parts.append(part)
        if max(received, kept) > LARGEST_ANSWER:
            return NoAnswer(f"HTTP {response.status_code} with more than {LARGEST_ANSWER} bytes")
    if unpack is not None and not unpack.eof:
        return NoAnswer(f"HTTP {response.status_code} with a truncated gzip body")
    return Answer(response.status_code, b"".join(parts))
