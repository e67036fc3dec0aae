"""A connection that breaks while the request is still being written: a part of it has left, so nothing is certain."""

import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from portone_world import IMP_SECRET, REQUEST, TOKEN, always, envelope, payment, with_token
from scripted_server import Seen, Wire

from billing_worker.adapters.masking import LONGEST_EVIDENCE
from billing_worker.adapters.network import Deadline
from billing_worker.adapters.portone.client import Client, NoAnswer
from billing_worker.adapters.portone.requests import Call
from billing_worker.domain.payment import Unknown

MORE_THAN_ANY_BUFFER = b"x" * 20_000_000


@pytest.fixture
def breaks_early() -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads the beginning of each request and resets the connection; what it read."""
    read: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            read.append(connection.recv(1000))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", read
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@pytest.mark.fm("C5")
@pytest.mark.fm("C27")
def test_a_request_that_left_by_half_is_not_taken_for_unsent_and_not_sent_again(breaks_early) -> None:
    url, read = breaks_early
    client = Client(url, connect_timeout=2.0, max_connections=1, tls=None)
    try:
        result = client.exchange(Call("POST", "/a", MORE_THAN_ANY_BUFFER), "token", Deadline(10), ())
    finally:
        client.close()
    assert isinstance(result, NoAnswer)
    assert [part[:7] for part in read] == [b"POST /a"]


@pytest.mark.fm("C18")
@pytest.mark.parametrize("announced", [5000, 20_000_000])
def test_an_answer_that_breaks_off_is_kept_as_far_as_it_came(portone, announced: int) -> None:
    told = json.dumps(envelope(payment(name=f"{IMP_SECRET} 4242-4242-4242-4242")), ensure_ascii=False).encode()

    def breaks_off(_: Seen, wire: Wire) -> None:
        wire.sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\n\r\n".encode() + told)
        wire.sock.shutdown(socket.SHUT_RDWR)

    gateway, _ = portone(with_token(breaks_off))
    outcome = gateway.charge(REQUEST)
    assert isinstance(outcome, Unknown)
    kept = outcome.evidence.body
    assert REQUEST.merchant_uid in kept
    assert len(kept) == len(told.decode())
    assert all(secret not in kept for secret in (IMP_SECRET, TOKEN, "4242-4242"))


@pytest.mark.fm("C18")
def test_of_an_answer_without_end_the_beginning_is_kept(portone) -> None:
    gateway, _ = portone(always(200, b"<html>" + b"x" * 2_000_000))
    outcome = gateway.charge(REQUEST)
    assert isinstance(outcome, Unknown)
    assert outcome.evidence.body == "<html>" + "x" * (LONGEST_EVIDENCE - len("<html>"))
