"""A connection that breaks while the request is still being written: a part of it has left, so nothing is certain."""

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from billing_worker.adapters.portone.client import Client, NoAnswer
from billing_worker.adapters.portone.network import Deadline
from billing_worker.adapters.portone.requests import Call

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
