"""The client against real sockets: what was certainly not sent is failed, everything else is unknown, nothing hangs."""

import gzip
import json
import os
import socket
import ssl
import subprocess
import threading
import tracemalloc
from pathlib import Path

import pytest
from portone_world import (
    AGAIN,
    IMP_KEY,
    IMP_SECRET,
    REQUEST,
    TOKEN,
    UNAUTHORIZED,
    always,
    body,
    envelope,
    gateway_to,
    payment,
    token_answer,
    with_token,
)
from scripted_server import ScriptedServer, Seen, Wire

from billing_worker.adapters.network import Deadline
from billing_worker.adapters.portone import PortOneGateway
from billing_worker.adapters.portone.client import Client, NotSent
from billing_worker.adapters.portone.requests import Call
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.payment import Approved, Failed, Unknown
from tests.support.gateways import hurried

PAID = envelope(payment())


def raw_answer(payload: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers]).encode() + b"\r\n\r\n" + payload


def test_a_charge(portone) -> None:
    gateway, server = portone(always(200, PAID))
    outcome = gateway.charge(REQUEST)
    assert isinstance(outcome, Approved)
    assert outcome.evidence.http_status == 200
    assert outcome.evidence.request == f"POST {AGAIN}"
    (sent,) = server.asked(AGAIN)
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["content-type"] == "application/json"
    assert server.asked("/users/getToken")[0].fields == {"imp_key": IMP_KEY, "imp_secret": IMP_SECRET}


@pytest.mark.fm("C31")
@pytest.mark.parametrize("where", ["status line", "headers", "body"])
def test_an_answer_that_drips_ends_with_the_deadline(portone, where: str) -> None:
    whole = raw_answer(body(PAID), "X-Slow: " + "x" * 200, f"Content-Length: {len(body(PAID))}")
    at_once = {"status line": 0, "headers": 20, "body": whole.index(b"\r\n\r\n") + 10}[where]

    def drip(_: Seen, wire: Wire) -> None:
        wire.sock.sendall(whole[:at_once])
        wire.drip(whole[at_once:], every=0.05)

    gateway, server = portone(with_token(drip), total_deadline=0.8)
    outcome = hurried(gateway).charge(REQUEST)
    assert isinstance(outcome, Unknown)
    assert len(server.asked(AGAIN)) == 1


def test_silence_ends_with_the_deadline(portone) -> None:
    def late(_: Seen, wire: Wire) -> None:
        wire.over.wait(10)
        wire.sock.sendall(raw_answer(body(PAID), f"Content-Length: {len(body(PAID))}"))

    gateway, server = portone(with_token(late), total_deadline=0.6)
    assert isinstance(hurried(gateway).charge(REQUEST), Unknown)
    assert len(server.asked(AGAIN)) == 1


@pytest.mark.fm("C31")
def test_silence_after_a_part_of_the_answer_ends_with_the_deadline_too(portone) -> None:
    whole = raw_answer(body(PAID), f"Content-Length: {len(body(PAID))}")

    def half(_: Seen, wire: Wire) -> None:
        wire.over.wait(1.8)
        wire.sock.sendall(whole[:17])
        wire.over.wait(1.8)  # a limit per read would still wait for the rest
        wire.sock.sendall(whole[17:])

    gateway, _ = portone(with_token(half), total_deadline=2.0)
    assert isinstance(hurried(gateway).charge(REQUEST), Unknown)


@pytest.mark.fm("C27")
@pytest.mark.fm("C6")
def test_a_reset_after_the_request_is_unknown_and_not_repeated(portone) -> None:
    gateway, server = portone(with_token(lambda _, wire: wire.reset()))
    assert isinstance(gateway.charge(REQUEST), Unknown)
    assert len(server.asked(AGAIN)) == 1


@pytest.mark.fm("C27")
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_reused_connection_that_breaks_is_unknown_and_not_repeated(portone, how: str) -> None:
    def second_breaks(_: Seen, wire: Wire) -> None:
        if len(server.asked(AGAIN)) == 1:
            wire.answer(200, PAID)
        else:
            getattr(wire, how)()

    gateway, server = portone(with_token(second_breaks))
    assert isinstance(gateway.charge(REQUEST), Approved)
    assert isinstance(gateway.charge(REQUEST), Unknown)
    first, second = server.asked(AGAIN)
    assert first.connection == second.connection  # it was reused indeed


@pytest.mark.parametrize("how", ["reset", "close"])
def test_an_idle_connection_that_the_server_closed_is_not_used(portone, how: str) -> None:
    closed = threading.Event()

    def answer_and_break(_: Seen, wire: Wire) -> None:
        wire.answer(200, PAID)
        getattr(wire, how)()
        closed.set()

    gateway, server = portone(with_token(answer_and_break))
    first = gateway.charge(REQUEST)
    assert closed.wait(60)
    second = gateway.charge(REQUEST)
    # A reset may overtake the first answer's body; the second charge must go out once, on a new connection.
    assert isinstance(first, Approved | Unknown)
    assert isinstance(second, Approved | Unknown)
    sent = server.asked(AGAIN)
    assert len(sent) == 2
    assert sent[0].connection != sent[1].connection


UNREADABLE = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a wrong status": raw_answer(b"", "Content-Length: 0", status="999999 ???"),
    "shorter than announced": raw_answer(body(PAID), "Content-Length: 5000"),
    "half a chunk": raw_answer(b"1000\r\n" + body(PAID), "Transfer-Encoding: chunked"),
    "a chunk of no size": raw_answer(b"zz\r\n" + body(PAID), "Transfer-Encoding: chunked"),
    "endless headers": raw_answer(b"", *[f"X-{n}: {'y' * 1000}" for n in range(300)]),
    "too large": raw_answer(b" " * 2_000_000 + body(PAID), f"Content-Length: {2_000_000 + len(body(PAID))}"),
    "not what gzip says": raw_answer(b"x" * 50, "Content-Length: 50", "Content-Encoding: gzip"),
    "an encoding not asked for": raw_answer(body(PAID), f"Content-Length: {len(body(PAID))}", "Content-Encoding: br"),
}


SURPLUS = {
    "the same once more": lambda answer: answer,
    "a refusal": lambda _: raw_answer(b'{"code":1,"message":"no"}', "Content-Length: 25"),
    "the beginning of one": lambda _: b"HTTP/1.1 200 OK\r\nConte",
    "garbage": lambda _: b"\0garbage",
}


@pytest.mark.fm("C25")
@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("surplus", SURPLUS)
def test_what_a_connection_brings_beyond_an_answer_is_not_taken_for_the_next_one(portone, surplus, framing) -> None:
    def twice(_: Seen, wire: Wire) -> None:
        payload = body(PAID)
        if framing == "length":
            answer = raw_answer(payload, f"Content-Length: {len(payload)}")
        else:
            chunk = f"{len(payload):x}\r\n".encode() + payload + b"\r\n0\r\n\r\n"
            answer = raw_answer(chunk, "Transfer-Encoding: chunked")
        wire.sock.sendall(answer + SURPLUS[surplus](answer))

    gateway, server = portone(with_token(twice))
    assert isinstance(gateway.charge(REQUEST), Approved)
    server.script = always(200, envelope(payment(merchant_uid="other")))
    assert isinstance(gateway.charge(REQUEST), Unknown)
    outcome = gateway.charge(REQUEST)
    assert "other" in outcome.evidence.body, "each request gets the answer to itself"
    first, second, third = (seen.connection for seen in server.asked(AGAIN))
    assert first != second
    assert second == third


def test_an_interim_answer_is_no_answer_too_many(portone) -> None:
    def interim(_: Seen, wire: Wire) -> None:
        payload = body(PAID)
        final = raw_answer(payload, f"Content-Length: {len(payload)}")
        wire.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + final)

    gateway, server = portone(with_token(interim))
    assert isinstance(gateway.charge(REQUEST), Approved)
    assert isinstance(gateway.charge(REQUEST), Approved)
    assert len({seen.connection for seen in server.asked(AGAIN)}) == 1


@pytest.mark.fm("C18")
@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE)
def test_an_answer_that_cannot_be_read_is_unknown(portone, raw: bytes) -> None:
    def send(_: Seen, wire: Wire) -> None:
        wire.sock.sendall(raw)
        wire.sock.shutdown(socket.SHUT_RDWR)

    gateway, server = portone(with_token(send))
    outcome = gateway.charge(REQUEST)
    assert isinstance(outcome, Unknown)
    assert "\n" not in outcome.reason
    assert len(server.asked(AGAIN)) == 1


@pytest.mark.fm("C18")
def test_a_gzip_bomb_is_not_blown_up(portone) -> None:
    bomb = gzip.compress(b" " * 300_000_000, 9)
    assert len(bomb) < 500_000
    gateway, _ = portone(always(200, bomb, "Content-Encoding: gzip"))
    tracemalloc.start()
    outcome = gateway.charge(REQUEST)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(outcome, Unknown)
    assert "1048576 bytes" in outcome.reason
    assert most < 20_000_000


def test_gzip_is_read(portone) -> None:
    gateway, _ = portone(always(200, gzip.compress(body(PAID)), "Content-Encoding: gzip"))
    assert isinstance(gateway.charge(REQUEST), Approved)
    cut, _ = portone(always(200, gzip.compress(body(PAID))[:-4], "Content-Encoding: gzip"))
    assert isinstance(cut.charge(REQUEST), Unknown)


def test_chunks_are_read(portone) -> None:
    chunked = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body(PAID)) + b"0\r\n\r\n"
    gateway, _ = portone(
        with_token(lambda _, wire: wire.sock.sendall(raw_answer(chunked, "Transfer-Encoding: chunked")))
    )
    assert isinstance(gateway.charge(REQUEST), Approved)


@pytest.mark.fm("C30")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(portone, status: int) -> None:
    gateway, server = portone(always(status, "", "Location: /elsewhere"))
    assert isinstance(gateway.charge(REQUEST), Unknown)
    assert [seen.path for seen in server.seen] == ["/users/getToken", AGAIN]


def test_cookies_are_not_sent_back(portone) -> None:
    gateway, server = portone(always(200, PAID, "Set-Cookie: who=me; Path=/"))
    gateway.charge(REQUEST)
    gateway.charge(REQUEST)
    assert all("cookie" not in seen.headers for seen in server.seen)


def test_the_environment_does_not_redirect_a_charge(portone, monkeypatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    for name, value in {
        "NETRC": str(netrc),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    gateway, server = portone(always(200, PAID))
    assert isinstance(gateway.charge(REQUEST), Approved)
    assert server.asked(AGAIN)[0].headers["authorization"] == f"Bearer {TOKEN}"


# A token that the gateway refuses


@pytest.mark.fm("C13")
def test_after_a_401_the_charge_is_sent_once_more_with_a_fresh_token(portone) -> None:
    def script(seen: Seen, wire: Wire) -> None:
        if seen.path == "/users/getToken":
            wire.answer(200, token_answer(str(len(server.asked("/users/getToken"))) * 40))
        elif seen.headers["authorization"] == "Bearer " + "1" * 40:
            wire.answer(401, UNAUTHORIZED)
        else:
            wire.answer(200, PAID)

    gateway, server = portone(script)
    assert isinstance(gateway.charge(REQUEST), Approved)
    assert [seen.headers["authorization"][-1] for seen in server.asked(AGAIN)] == ["1", "2"]


@pytest.mark.fm("C13")
@pytest.mark.fm("F4")
def test_a_second_401_is_failed(portone) -> None:
    gateway, server = portone(always(401, UNAUTHORIZED))
    outcome = gateway.charge(REQUEST)
    assert isinstance(outcome, Failed)
    assert len(server.asked(AGAIN)) == 2
    assert len(server.asked("/users/getToken")) == 2


@pytest.mark.fm("C14")
def test_a_401_of_something_in_between_is_unknown(portone) -> None:
    gateway, server = portone(always(401, "<html>login please</html>"))
    assert isinstance(gateway.charge(REQUEST), Unknown)
    assert len(server.asked(AGAIN)) == 1


@pytest.mark.parametrize(
    ("status", "document"),
    [(401, {"code": -1, "message": "인증에 실패하였습니다.", "response": None}), (500, ""), (200, "<html>"), (200, {})],
)
def test_without_a_token_nothing_is_placed(portone, status: int, document: object) -> None:
    gateway, server = portone(lambda _, wire: wire.answer(status, document))
    assert isinstance(gateway.charge(REQUEST), Failed)
    assert server.asked(AGAIN) == []
    assert gateway.payment("imps_1").trouble
    assert gateway.read_key("card_1").known is None


def test_a_token_that_comes_too_late_leaves_the_charge_unsent(portone) -> None:
    def late(_: Seen, wire: Wire) -> None:
        wire.over.wait(0.6)
        wire.answer(200, token_answer())

    gateway, server = portone(late, total_deadline=1.0)
    outcome = gateway.charge(REQUEST)
    assert isinstance(outcome, Failed)
    assert server.asked(AGAIN) == []


# What was certainly not sent


@pytest.mark.fm("C3")
def test_a_refused_connection_is_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gateway = PortOneGateway(f"http://127.0.0.1:{port}", IMP_KEY, IMP_SECRET)
    assert isinstance(gateway.charge(REQUEST), Failed)
    assert gateway.payments_of("abc").trouble
    gateway.close()


@pytest.mark.fm("C3")
def test_an_unknown_host_is_failed() -> None:
    gateway = PortOneGateway("https://portone.invalid", IMP_KEY, IMP_SECRET)
    outcome = gateway.charge(REQUEST)
    assert isinstance(outcome, Failed)
    assert IMP_SECRET not in repr(outcome)
    gateway.close()


def test_a_connection_that_goes_away_before_the_charge_is_failed(portone) -> None:
    # The token is fetched, then the server stops listening.
    def last_words(_: Seen, wire: Wire) -> None:
        wire.answer(200, token_answer(), "Connection: close")
        wire.close()

    gateway, server = portone(last_words)
    assert gateway._here().tokens.get(Deadline(5)) == TOKEN
    server.stop_listening()
    assert isinstance(gateway.charge(REQUEST), Failed)


def test_no_free_connection_is_failed(portone) -> None:
    taken = threading.Event()

    def hold(_: Seen, wire: Wire) -> None:
        taken.set()
        wire.over.wait(20)
        wire.close()

    gateway, server = portone(with_token(hold), max_connections=1, connect_timeout=0.2, total_deadline=3.0)
    first = threading.Thread(target=hurried(gateway).charge, args=(REQUEST,))
    first.start()
    assert taken.wait(60)
    assert isinstance(gateway.charge(REQUEST), Failed)
    assert len(server.asked(AGAIN)) == 1
    server.over.set()
    first.join(10)


def test_after_the_deadline_nothing_is_sent(portone) -> None:
    _, server = portone(always(200, PAID))
    client = Client(server.url, connect_timeout=1.0, max_connections=1, tls=None)
    assert isinstance(client.exchange(Call("POST", AGAIN, b"{}"), TOKEN, Deadline(0), ()), NotSent)
    assert isinstance(client.exchange(Call("POST", AGAIN, b"{}"), "bad\r\ntoken", Deadline(5), ()), NotSent)
    assert server.seen == []
    client.close()


# TLS


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side with a self-signed certificate, and a client's side that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))


@pytest.mark.fm("C4")
def test_a_self_signed_certificate_is_refused(self_signed) -> None:
    with ScriptedServer(always(200, PAID), tls=self_signed[0]) as server:
        gateway = gateway_to(server)
        outcome = gateway.charge(REQUEST)
        assert isinstance(outcome, Failed)
        assert "certificate" in outcome.reason.lower()
        assert server.seen == []
        gateway.close()


def test_a_trusted_certificate_is_taken_and_the_deadline_holds_there_too(self_signed) -> None:
    def script(_: Seen, wire: Wire) -> None:
        if len(server.asked(AGAIN)) == 1:
            wire.answer(200, PAID)
        else:
            wire.drip(raw_answer(body(PAID), "X-Slow: " + "x" * 200, f"Content-Length: {len(body(PAID))}"), every=0.05)

    with ScriptedServer(with_token(script), tls=self_signed[0]) as server:
        gateway = hurried(gateway_to(server, tls=self_signed[1], total_deadline=1.5))
        assert isinstance(gateway.charge(REQUEST), Approved)
        assert isinstance(gateway.charge(REQUEST), Unknown)
        gateway.close()


@pytest.mark.fm("C3")
def test_a_handshake_that_never_ends_is_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gateway = PortOneGateway(
            f"https://127.0.0.1:{silent.getsockname()[1]}",
            IMP_KEY,
            IMP_SECRET,
            connect_timeout=0.3,
            total_deadline=3600,
        )
        assert isinstance(gateway.charge(REQUEST), Failed)
        gateway.close()


# Secrets, settings, processes


@pytest.mark.fm("F5")
def test_no_secret_comes_back_out(portone, caplog) -> None:
    caplog.set_level(0)

    def echo(seen: Seen, wire: Wire) -> None:
        if seen.path == "/users/getToken":
            wire.answer(200, token_answer())
            return
        said = f"{IMP_KEY} {IMP_SECRET} {seen.headers['authorization']}"
        row = payment(fail_reason=said, status="failed", merchant_uid=said)
        if seen.path == AGAIN and len(server.asked(AGAIN)) == 1:
            wire.answer(200, envelope(None, -1, said))
        elif seen.path == AGAIN:
            wire.answer(200, json.dumps(envelope(row)))
        else:
            wire.answer(500, json.dumps(envelope(None, -1, said)))

    gateway, server = portone(echo)
    told = [
        gateway.charge(REQUEST),
        gateway.charge(REQUEST),
        gateway.payments_of("abc"),
        gateway.payment("imp_1"),
        gateway,
    ]
    text = repr(told) + str(told) + caplog.text
    for secret in (IMP_KEY, IMP_SECRET, TOKEN):
        assert secret not in text
    assert repr(gateway) == f"PortOneGateway('127.0.0.1:{server.port}')"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.iamport.kr",
        "ftp://x",
        "https://",
        "https://u:secret@x",
        "https://x?secret=1",
        "http://[::1",
        "https://x#secret",
    ],
)
def test_an_unusable_address_is_a_setting_to_correct(url: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        PortOneGateway(url, IMP_KEY, IMP_SECRET)
    assert "secret" not in str(caught.value)
    with pytest.raises(SettingsInvalid):
        PortOneGateway("https://api.iamport.kr", "", "")


def test_a_path_in_the_address_is_kept(portone) -> None:
    _, server = portone(lambda seen, wire: wire.answer(200, token_answer() if "getToken" in seen.path else PAID))
    gateway = PortOneGateway(server.url + "/v1/", IMP_KEY, IMP_SECRET)
    assert isinstance(gateway.charge(REQUEST), Approved)
    assert server.seen[-1].path == "/v1" + AGAIN
    gateway.close()


@pytest.mark.fm("J7")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking with threads is what is tested
def test_a_forked_process_uses_connections_of_its_own(portone) -> None:
    gateway, server = portone(always(200, PAID))
    assert isinstance(gateway.charge(REQUEST), Approved)
    child = os.fork()
    if child == 0:
        os._exit(0 if isinstance(gateway.charge(REQUEST), Approved) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert isinstance(gateway.charge(REQUEST), Approved)
    connections = [seen.connection for seen in server.asked(AGAIN)]
    assert connections[0] == connections[2] != connections[1]


def test_after_close_it_opens_new_connections(portone) -> None:
    gateway, server = portone(always(200, PAID))
    gateway.charge(REQUEST)
    gateway.close()
    assert isinstance(gateway.charge(REQUEST), Approved)
    assert len({seen.connection for seen in server.asked(AGAIN)}) == 2
