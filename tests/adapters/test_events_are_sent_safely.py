"""Where events are sent, over real sockets: to the address that was checked, in time, and no further."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from billing_worker.adapters import notifier as notifying
from billing_worker.adapters.addresses import Forbidden, require_public
from billing_worker.adapters.notifier import WebhookNotifier, secrets_of
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.events import Event, EventType
from billing_worker.ports.outgoing import OutboxMessage, Refusal

OLD = "whsec_" + "b2xkIHNlY3JldCBvZiBhdCBsZWFzdCAyNCBieXRlcw=="
NEW = "whsec_" + "bmV3IHNlY3JldCBvZiBhdCBsZWFzdCAyNCBieXRlcw=="
NOW = datetime.now(UTC).replace(microsecond=0)
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def an_event(**more: object) -> OutboxMessage:
    event = Event(EventType.INVOICE_PAID, "inv_1", {"amount": 9900, "customer": "서울 1"})
    return OutboxMessage("evt_1", event, NOW, NOW, 1, None, None, stream_sequence=3, **more)  # type: ignore[arg-type]


class Trap:
    """A server on loopback that keeps what it was sent, and answers as it is told."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.heard: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                self.heard.append(_request(connection))
                try:
                    self._answer(connection)
                except OSError:
                    continue

    def close(self) -> None:
        self._server.close()


def _request(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65536)
        if not part:
            return got
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def trap(answer: bytes | Callable[[socket.socket], None] = OK) -> Iterator[Trap]:
    made = Trap(answer if callable(answer) else lambda connection: connection.sendall(answer))
    try:
        yield made
    finally:
        made.close()


def at_loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def sent_to(
    made: Trap, *, secret: str = NEW, path: str = "/events", message: OutboxMessage | None = None
) -> Refusal | None:
    """Deliver to a name that leads to the trap, where private addresses are allowed."""
    url = f"http://shop.example:{made.port}{path}"
    sender = WebhookNotifier(url, secret, allow_private=True, resolve=at_loopback)
    try:
        return sender.send(message or an_event(), NOW)
    finally:
        sender.close()


def test_a_consumer_with_either_secret_verifies_what_was_sent_and_a_stranger_does_not() -> None:
    with trap() as made:
        assert sent_to(made, secret=f"{NEW} {OLD}", path="/events?shop=1", message=an_event(replays=2)) is None
    head, _, body = made.heard[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert lines[0] == "POST /events?shop=1 HTTP/1.1"
    assert headers["host"] == f"shop.example:{made.port}"
    assert headers["webhook-replay"] == "2"
    for secret in (NEW, OLD):
        told = Webhook(secret).verify(body, headers)
        assert (told["type"], told["version"], told["data"]["id"], told["data"]["sequence"]) == (
            "invoice.paid",
            1,
            "inv_1",
            3,
        )
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "c3RyYW5nZXI=").verify(body, headers)
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        " ",
        "secret",
        "whsec_",
        "whsec_###",
        "whsec_c2hvcnQ=",
        f"{NEW} {OLD} {NEW}",
        f"{NEW},{OLD}",
        "whsec_" + "QUFB" * 30,
    ],
)
def test_a_bad_secret_is_one_clear_line_that_does_not_repeat_it(secret: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^BILLING_EVENTS_SECRET: must be ") as refused:
        secrets_of(secret)
    assert "\n" not in str(refused.value)
    assert len(secret) < len("whsec_x") or secret not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://shop.example/e", "use https"),
        ("https://user:pass@shop.example/e", "must not contain a user or password"),
    ],
)
def test_a_url_that_gives_something_away_is_refused_at_start(url: str, says: str) -> None:
    with pytest.raises(SettingsInvalid, match=says) as refused:
        WebhookNotifier(url, NEW)
    assert "pass@" not in str(refused.value)


INSIDE = [
    *("127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200"),
    *("0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.0.0.192"),  # noqa: S104 - refused
    *("198.18.0.1", "203.0.113.7", "168.63.129.16"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "fec0::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1"),
    *("64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::", "2001:0:1::1", "100::1", "not an address", ""),
]
OUTSIDE = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_of_the_inside_passes_in_any_notation(address: str) -> None:
    with pytest.raises(Forbidden):
        require_public(address)


def test_addresses_of_the_internet_pass() -> None:
    for address in OUTSIDE:
        require_public(address)


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
def test_a_name_that_leads_inside_is_never_connected_to(answers: list[str]) -> None:
    with trap() as made:
        sender = WebhookNotifier(f"https://shop.example:{made.port}/", NEW, resolve=lambda _host, _port: answers)
        refusal = sender.send(an_event(), NOW)
        sender.close()
    assert refusal is not None
    assert "is not an address of the public internet" in refusal.trouble
    assert made.heard == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_url_that_spells_the_inside_is_never_connected_to(host: str) -> None:
    with trap() as made:
        sender = WebhookNotifier(f"https://{host}:{made.port}/", NEW)
        assert sender.send(an_event(), NOW) is not None
        sender.close()
    assert made.heard == []


def test_the_name_is_resolved_once_and_the_address_that_was_checked_is_the_one_that_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: a second answer would lead somewhere else."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    asked: list[str] = []

    def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    real = socket.getaddrinfo
    looked_up: list[object] = []
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **named: looked_up.append(host) or real(host, *more, **named)
    )
    with trap() as made:
        sender = WebhookNotifier(f"http://shop.example:{made.port}/", NEW, allow_private=True, resolve=resolve)
        assert sender.send(an_event(), NOW) is None
        sender.close()
    assert asked == ["shop.example"]
    assert set(looked_up) <= {"127.0.0.1"}
    assert len(made.heard) == 1


def test_no_redirect_is_followed_and_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with trap() as inside, trap() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{inside.port}/\r\nContent-Length: 0\r\n\r\n"
        with trap(moved.encode()) as made:
            refusal = sent_to(made)
    assert refusal is not None
    assert refusal.trouble == "the receiver answered HTTP 307; redirects are not followed"
    assert (inside.heard, proxy.heard, len(made.heard)) == ([], [], 1)


def _drips(connection: socket.socket) -> None:
    for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 2000:
        connection.sendall(bytes([letter]))
        time.sleep(0.05)


def _drips_a_refusal(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(2000):
        connection.sendall(b"x")
        time.sleep(0.05)


def _pours(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 999999999\r\n\r\n")
    while True:
        connection.sendall(b"y" * 65536)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (_drips, "did not answer within"),
        (_drips_a_refusal, "HTTP 500"),
        (_pours, "HTTP 500: yyyy"),
        (lambda _: None, "Protocol"),
    ],
)
def test_whatever_a_receiver_does_a_delivery_ends_in_time(
    answer: Callable[[socket.socket], None], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifying, "TOTAL", 0.6)
    with trap(answer) as made:
        began = time.monotonic()
        refusal = sent_to(made)
        took = time.monotonic() - began
    assert refusal is not None
    assert says in refusal.trouble
    assert len(refusal.trouble) < 200
    assert took < 2


def test_a_name_server_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifying, "TOTAL", 0.3)
    done = threading.Event()

    def hangs(_host: str, _port: int) -> Sequence[str]:
        done.wait(60)
        return ["127.0.0.1"]

    sender = WebhookNotifier("https://shop.example/", NEW, resolve=hangs)
    began = time.monotonic()
    refusal = sender.send(an_event(), NOW)
    assert time.monotonic() - began < 2
    assert refusal is not None
    assert "within" in refusal.trouble
    done.set()
    sender.close()


def test_of_a_refusal_one_masked_line_is_kept_and_what_it_asks_for_is_heard() -> None:
    body = b"card 4111111111111111 of " + NEW.encode() + b"\nsecond line"
    head = b"HTTP/1.1 429 Slow down\r\nRetry-After: 120\r\nContent-Length: %d\r\n\r\n" % len(body)
    with trap(head + body) as made:
        refusal = sent_to(made)
    assert refusal is not None
    assert refusal.retry_after == timedelta(minutes=2)
    assert refusal.trouble.startswith("the receiver answered HTTP 429: card ************1111 of ***")
    assert "second" not in refusal.trouble
    with trap(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nRetry-After: Fri, 31 Dec 2199 00:00:00 GMT\r\n\r\n") as made:
        gone = sent_to(made)
    assert gone is not None
    assert gone.gone
    assert json.loads(made.heard[0].partition(b"\r\n\r\n")[2])["data"]["customer"] == "서울 1"


def test_the_name_of_the_url_is_the_one_that_tls_asks_for_and_nothing_is_sent_before_it_is_proven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notifying, "TOTAL", 0.4)
    with trap() as made:
        url = f"https://shop.example:{made.port}/"
        sender = WebhookNotifier(url, NEW, allow_private=True, resolve=at_loopback)
        assert sender.send(an_event(), NOW) is not None
        sender.close()
        until = time.monotonic() + 5
        while not made.heard and time.monotonic() < until:
            time.sleep(0.01)
    assert b"shop.example" in made.heard[0]  # the server name in the first message of the handshake
    assert b"invoice.paid" not in made.heard[0]
