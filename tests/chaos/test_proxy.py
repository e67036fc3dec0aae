"""The proxy does to a connection what its name for the fault says."""

import gc
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.chaos.proxy import COMMIT, HOST, Fault, Proxy, Toxic

SECONDS = 60.0


class Echo:
    """A server that answers with what it was told, and remembers it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._listening = socket.create_server((HOST, 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=self._listening.accept()[:1], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65_536):
                self.heard += data
                connection.sendall(data)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy() as running:
        running.add("link", echo.port)
        yield running


@contextmanager
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.links["link"].port), timeout=SECONDS) as connection:
        yield connection


def says(connection: socket.socket, data: bytes) -> bytes:
    """Send, and what comes back: as much, or up to the end."""
    connection.sendall(data)
    got = b""
    while len(got) < len(data) and (piece := connection.recv(65_536)):
        got += piece
    return got


def until(probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_bytes_pass_unchanged_in_both_directions(proxy: Proxy) -> None:
    data = bytes(range(256)) * 2000
    with client(proxy) as connection:
        assert says(connection, data) == data


def test_a_link_without_upstream_ends_its_connections_and_works_when_one_is_named(proxy: Proxy, echo: Echo) -> None:
    with socket.create_server((HOST, 0)) as gone:
        nobody = int(gone.getsockname()[1])
    proxy.retarget("link", nobody)
    with pytest.raises(ConnectionResetError), client(proxy) as connection:
        connection.recv(1)
    proxy.retarget("link", nobody, echo.port)
    with client(proxy) as connection:
        assert says(connection, b"now") == b"now"


def test_reset_ends_live_connections_hard_and_serves_new_ones(proxy: Proxy) -> None:
    with client(proxy) as connection:
        assert says(connection, b"hello") == b"hello"
        proxy.set("link", Toxic(Fault.RESET))
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with client(proxy) as connection:
        assert says(connection, b"again") == b"again"


def test_refuse_lets_no_connection_in_until_it_is_over(proxy: Proxy) -> None:
    with client(proxy) as connection:
        assert says(connection, b"hello") == b"hello"
        proxy.set("link", Toxic(Fault.REFUSE))
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        with pytest.raises(ConnectionRefusedError), client(proxy):
            pass
    proxy.set("link", None)
    with client(proxy) as connection:
        assert says(connection, b"back") == b"back"


def test_a_blackhole_swallows_and_resets_when_it_ends(proxy: Proxy, echo: Echo) -> None:
    with client(proxy) as connection:
        assert says(connection, b"before") == b"before"
        proxy.set("link", Toxic(Fault.BLACKHOLE))
        connection.sendall(b"lost")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(SECONDS)
        proxy.set("link", None)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert echo.heard == b"before"


def test_latency_and_slowness_delay_and_lose_nothing(proxy: Proxy) -> None:
    data = b"x" * 4000
    proxy.set("link", Toxic(Fault.SLOW, amount=20_000))
    with client(proxy) as connection:
        began = time.monotonic()
        assert says(connection, data) == data
        assert time.monotonic() - began >= 0.15
        proxy.set("link", Toxic(Fault.LATENCY, amount=0.05))
        assert says(connection, data) == data


def test_a_commit_arrives_although_its_answer_is_cut_off(proxy: Proxy, echo: Echo) -> None:
    proxy.set("link", Toxic(Fault.CUT_AFTER_COMMIT))
    with client(proxy) as connection:
        assert says(connection, b"INSERT") == b"INSERT"
        connection.sendall(b"Q" + COMMIT)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    until(lambda: echo.heard.endswith(COMMIT))


def test_a_proxy_that_ends_amid_its_connections_leaves_none_open(echo: Echo) -> None:
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        for turn in range(150):
            with ExitStack() as clients, Proxy() as ending:
                ending.add("link", echo.port)
                for at_once in range(4):
                    connection = clients.enter_context(client(ending))
                    if (turn + at_once) % 2:
                        assert says(connection, b"here") == b"here"
                        connection.close()
        gc.collect()
    assert [str(warning.message) for warning in left if warning.category is ResourceWarning] == []
