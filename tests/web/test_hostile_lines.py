"""Raw sockets against the receiver: whatever is sent, and however slowly, the genuine are served and nothing breaks."""

import inspect
import json
import re
import socket
import struct
import threading
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from web_calls import DEADLINE, HINT, assert_problem, eventually
from web_helpers import Web

from billing_worker.web import overload, protocol

BODY = json.dumps(HINT).encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
HEAD = b"POST /webhooks/portone HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
HINTED = HEAD + LENGTH + b"\r\n" + BODY
SLOW_SOCKETS = 500


@pytest.fixture(autouse=True)
def nothing_breaks(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """After each test the receiver works, and no error of ours was reported, in the log or elsewhere."""
    web: Web = request.getfixturevalue("web")
    with structlog.testing.capture_logs() as lines:
        yield
        assert web.api.get("/healthz").status_code == 200
        assert web.api.post("/webhooks/portone", json=HINT | {"imp_uid": "imp_after"}).status_code == 200
    said = str(lines) + caplog.text + "".join(capfd.readouterr())
    for sign in ("request.failed", "Traceback", "Exception", "Invalid HTTP"):
        assert sign not in said


def line_to(web: Web) -> socket.socket:
    host, _, port = web.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=DEADLINE)


def talk(web: Web, sent: bytes) -> bytes:
    """Everything that is answered until the server closes the line; ours stays open."""
    with line_to(web) as line:
        line.sendall(sent)
        return until_closed(line)


def until_closed(line: socket.socket) -> bytes:
    heard = b""
    while True:
        try:
            more = line.recv(65_536)
        except ConnectionResetError:
            return heard
        if not more:
            return heard
        heard += more


def statuses(heard: bytes) -> list[int]:
    return [int(part[:3]) for part in heard.split(b"HTTP/1.1 ")[1:]]


HEADER = b"X-Padding: %s\r\n"
REFUSED = {
    "a-header-without-end": (431, HEAD + b"X: " + b"x" * 40_000),
    "a-large-header": (431, HEAD + LENGTH + HEADER % (b"x" * 17_000) + b"\r\n" + BODY),
    "large-headers": (431, HEAD + LENGTH + HEADER % (b"x" * 900) * 20 + b"\r\n" + BODY),
    "many-headers": (431, HEAD + LENGTH + HEADER % b"x" * 70 + b"\r\n" + BODY),
    "a-long-address": (431, b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "two-lengths": (400, HEAD + LENGTH + b"Content-Length: 3\r\n\r\n" + BODY),
    "two-equal-lengths": (400, HEAD + LENGTH + LENGTH + b"\r\n" + BODY),
    "both-lengths": (400, HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HINTED),
    "both-lengths-reversed": (400, HEAD + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n0\r\n\r\n" + HINTED),
    "a-signed-length": (400, HEAD + b"Content-Length: +5\r\n\r\n" + BODY),
    "a-negative-length": (400, HEAD + b"Content-Length: -1\r\n\r\n" + BODY),
    "a-listed-length": (400, HEAD + b"Content-Length: 5, 5\r\n\r\n" + BODY),
    "an-unknown-encoding": (400, HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "an-encoding-twice": (400, HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    "an-encoding-in-1.0": (400, HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "garbage-for-a-chunk": (400, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + HINTED),
    "a-chunk-of-a-wrong-size": (400, HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n{}xyz\r\n0\r\n\r\n"),
    "a-huge-chunk-size": (400, HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}"),
    "a-folded-header": (400, HEAD + b"X-One: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY),
    "a-space-before-the-colon": (400, HEAD + b"Content-Length : 5\r\n\r\n" + BODY),
    "a-bare-line-feed": (400, HEAD.replace(b"\r\n", b"\n") + LENGTH + b"\r\n" + BODY),
    "a-bare-return": (400, HEAD + b"X: a\rContent-Length: 5\r\n\r\n"),
    "a-nul-in-a-header": (400, HEAD + b"X: a\x00b\r\n" + LENGTH + b"\r\n" + BODY),
    "no-host": (400, HINTED.replace(b"Host: x\r\n", b"")),
    "two-hosts": (400, HINTED.replace(b"Host: x\r\n", b"Host: x\r\nHost: y\r\n")),
    "another-version": (400, HINTED.replace(b"HTTP/1.1", b"HTTP/2.0")),
    "an-old-version": (400, b"GET /healthz\r\n\r\n"),
    "a-tunnel": (400, b"CONNECT 10.0.0.1:22 HTTP/1.1\r\nHost: 10.0.0.1:22\r\n\r\n"),
    "another-protocol": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200),
    "bytes-in-the-address": (400, b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n"),
}


@pytest.mark.fm("E12")
@pytest.mark.parametrize("shape", REFUSED)
def test_what_is_too_large_or_means_two_things_is_refused_once_and_the_line_closed(web: Web, shape: str) -> None:
    status, sent = REFUSED[shape]
    heard = talk(web, sent)
    assert statuses(heard) == [status], heard
    head, _, body = heard.partition(b"\r\n\r\n")
    assert set(json.loads(body)) == {"type", "title", "status", "detail", "way_out", "request_id"}
    assert b"x-content-type-options: nosniff" in head
    assert b"server:" not in head.lower()
    assert web.count("inbox") == 0


def test_a_long_address_that_fits_is_only_not_found(web: Web) -> None:
    assert_problem(web.api.get("/" + "x" * 10_000), 404)


@pytest.mark.fm("E12")
def test_headers_after_the_body_are_ignored(web: Web) -> None:
    trailers = b"Authorization: Bearer x\r\nContent-Type: text/plain\r\n"
    chunk = b"%x\r\n%s\r\n" % (len(BODY), BODY)
    sent = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n" + trailers + b"\r\n"
    assert statuses(talk(web, sent)) == [200]
    many = sent.replace(trailers, b"X: y\r\n" * 100)
    assert statuses(talk(web, many))[0] in (200, 431)


def test_requests_sent_ahead_are_answered_in_their_order(web: Web) -> None:
    ahead = [HINTED, HINTED.replace(b"paid", b"PAID"), b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
    assert statuses(talk(web, b"".join(ahead))) == [200, 400, 200]
    assert web.count("inbox") == 1


def test_garbage_behind_a_good_request_takes_nothing_from_it(web: Web) -> None:
    assert statuses(talk(web, HINTED + b"\x00\x01garbage\r\n\r\n")) == [200]
    assert web.count("inbox") == 1
    assert (
        len(statuses(talk(web, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 500)))
        <= protocol.MOST_PIPELINED_REQUESTS + 2
    )


def test_an_old_client_is_served_and_the_line_closed(web: Web) -> None:
    heard = talk(web, HINTED.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert statuses(heard) == [200]
    assert web.count("inbox") == 1


def test_another_protocol_that_is_asked_for_is_not_spoken(web: Web) -> None:
    ask = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n"
    assert statuses(talk(web, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + ask + b"\x81\x05hello")) == [200]


@pytest.mark.parametrize("part", [1, 40, len(HINTED) - 1, len(HINTED)])
def test_clients_that_leave_in_the_middle_leave_nothing_behind(web: Web, part: int) -> None:
    before = len(connections(web))
    for number in range(20):
        line = line_to(web)
        line.sendall(HINTED[:part])
        if number % 2:  # with a reset
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()
    eventually(lambda: len(connections(web)) <= before + 1, "the lines to be forgotten")
    assert web.count("inbox") == 0 or part == len(HINTED)


@pytest.mark.fm("E13")
@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", []), (b"\r\n\r\n", [408]), (b"POST /webhooks", [408]), (HEAD, [408]), (HINTED + b"GET /", [200, 408])],
    ids=["nothing", "blank", "a-word", "half-a-head", "a-second-one"],
)
def test_a_head_that_drips_is_not_waited_for(
    web: Web, monkeypatch: pytest.MonkeyPatch, sent: bytes, status: list[int]
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with line_to(web) as line, dripping([line], b"X" if sent.strip() else sent[:2]):
        line.sendall(sent)
        assert statuses(until_closed(line)) == status


@pytest.mark.fm("E13")
def test_a_body_that_drips_behind_its_answer_is_not_waited_for(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with line_to(web) as line, dripping([line], b"x"):
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert statuses(until_closed(line)) == [200]


@pytest.mark.fm("E13")
def test_the_genuine_are_served_beside_hundreds_that_drip(web: Web) -> None:
    half = HEAD + LENGTH + b"\r\n{"
    with ExitStack() as stack:
        lines = [stack.enter_context(line_to(web)) for _ in range(SLOW_SOCKETS)]
        for number, line in enumerate(lines):
            line.sendall((HEAD, half)[number % 2])
        stack.enter_context(dripping(lines, b"x"))
        assert genuine(web, 100) == [200] * 100
        assert len(connections(web)) > SLOW_SOCKETS
    assert web.count("inbox") == 100


@pytest.mark.fm("E13")
def test_a_crowd_that_says_nothing_makes_room_for_those_who_do(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    eventually(lambda: len(connections(web)) <= 10, "the lines of other tests to be forgotten")
    monkeypatch.setattr(protocol, "MOST_CONNECTIONS", 40)
    monkeypatch.setattr(protocol, "RESERVE", 5)
    monkeypatch.setattr(protocol, "SLOW", 0.0)
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(line_to(web)).sendall(b"GET /heal")
        assert genuine(web, 20) == [200] * 20
        assert len(connections(web)) <= 46


@pytest.mark.parametrize("bound", ["MOST_CONNECTIONS", "MOST_REQUESTS"])
def test_overload_is_told_at_once_and_does_not_look_like_death(
    web: Web, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    eventually(lambda: len(connections(web)) <= 10, "the lines of other tests to be forgotten")
    monkeypatch.setattr(overload if bound == "MOST_REQUESTS" else protocol, bound, 12)
    with web.engine.connect() as other, ExitStack() as stack:
        other.execute(text("LOCK TABLE inbox"))  # what is stored now waits, and so does its sender
        lines = [stack.enter_context(line_to(web)) for _ in range(20)]
        for line in lines:
            line.sendall(HINTED)
        heard = lines[-1].recv(65_536)
        while not heard.endswith(b"}") and (more := lines[-1].recv(65_536)):  # its body may come on its own
            heard += more
        assert statuses(heard) == [503]
        assert b"retry-after: 5" in heard
        assert json.loads(heard.partition(b"\r\n\r\n")[2])["type"] == "urn:billing-worker:problem:unavailable"
        with line_to(web) as line:
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert statuses(line.recv(65_536)) == [200]
        other.rollback()
    eventually(lambda: web.api.post("/webhooks/portone", json=HINT).status_code == 200, "the end of the overload")


def genuine(web: Web, count: int) -> list[int]:
    """What senders are told who speak at once and plainly, each on a line of its own."""

    def send(number: int) -> int:
        sent = HINTED.replace(b"imp_123456789012", b"imp_%012d" % number)
        with line_to(web) as line:
            line.sendall(sent)
            return statuses(line.recv(65_536))[0]

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(send, range(count)))


def connections(web: Web) -> Any:
    """The lines that the server holds open."""
    return web.app.state.server.server_state.connections


class dripping:  # noqa: N801 - it reads as a word
    """One byte at a time on each of these lines, until the block ends."""

    def __init__(self, lines: list[socket.socket], byte: bytes) -> None:
        self._lines, self._byte, self._done = lines, byte, threading.Event()
        self._thread = threading.Thread(target=self._drip)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(DEADLINE)

    def _drip(self) -> None:
        while not self._done.wait(0.05):
            for line in self._lines:
                try:
                    line.send(self._byte)
                except OSError:
                    continue


def test_the_release_of_uvicorn_is_the_one_whose_private_parts_are_overridden() -> None:
    """Another minor version may name them otherwise: the project's own bound must keep it out."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (bound,) = (line for line in project["dependencies"] if line.startswith("uvicorn"))
    low, high = re.fullmatch(r"uvicorn\[standard\]>=0\.(\d+),<0\.(\d+)", bound).groups()
    assert int(high) == int(low) + 1, bound
    assert version("uvicorn").startswith(f"0.{low}.")
    private = set(re.findall(r"self\.(_[a-z_]+)", inspect.getsource(HttpToolsProtocol)))
    assert "_unset_keepalive_if_required" in private
