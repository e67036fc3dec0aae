"""One outgoing HTTP request with its own connection.

Not httpx: a webhook through it costs about a millisecond of CPU (measured here), five times the charge that it reports,
and the sandbox shares its machine with the worker. httptools does the parsing.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

import httptools

CONNECT, READ = 10.0, 30.0  # documented: seconds that the gateway waits
PIECE = 65_536
SAFE = "%/:?#[]@!$&'()*+,;="  # leaves a well-formed URL alone and encodes Korean, spaces and line ends
LONGEST = 1_000_000  # bytes of an answer that are looked at


class SendError(Exception):
    """The request was not answered."""


@dataclass(slots=True)
class Answer:
    """Status and body; the methods are httptools' callbacks."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body, already without chunking."""
        self.body += piece

    def on_message_complete(self) -> None:
        """Note the end."""
        self.complete = True


async def send(method: str, url: str, *, headers: dict[str, str], body: bytes = b"") -> Answer:
    """Send a request and return its answer; redirects are not followed. SendError if there is none."""
    try:
        parts = urlsplit(quote(url, safe=SAFE))
        async with asyncio.timeout(CONNECT):
            reader, writer = await _connected(parts)
        try:
            writer.write(_head(method, parts, headers, len(body)) + body)
            async with asyncio.timeout(READ):
                return await _answer(reader)
        finally:
            writer.close()
    except TimeoutError as problem:
        raise SendError("timed out") from problem
    except (OSError, ValueError, httptools.HttpParserError) as problem:
        raise SendError(f"{type(problem).__name__}: {problem}") from problem


async def _connected(parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SendError(f"not an http URL: {parts.geturl()}")
    secure = ssl.create_default_context() if parts.scheme == "https" else None
    return await asyncio.open_connection(parts.hostname, parts.port or (443 if secure else 80), ssl=secure)


def _head(method: str, parts: SplitResult, headers: dict[str, str], length: int) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


async def _answer(reader: asyncio.StreamReader) -> Answer:
    answer = Answer()
    parser = httptools.HttpResponseParser(answer)
    while not answer.complete and len(answer.body) < LONGEST:
        piece = await reader.read(PIECE)
        if not piece:
            break
        parser.feed_data(piece)
    answer.status = parser.get_status_code()
    if not answer.status:
        raise SendError("the connection was closed without an answer")
    return answer
