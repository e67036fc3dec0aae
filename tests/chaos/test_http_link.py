"""The gateway's link breaks an exchange exactly where its fault says."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.chaos.http_link import HttpLink
from tests.chaos.proxy import HOST, Fault, Proxy, Toxic
from tests.support.plain_http import WITHOUT_TLS

PATH = "/subscribe/payments/again"
SECONDS = 60.0


class Gateway(ThreadingHTTPServer):
    """Counts what it is asked, and answers with the number."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), Answers)
        self.asked: list[str] = []
        self.status = 200
        self.lock = threading.Lock()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body["merchant_uid"])
            answer = b'{"n": %d}' % len(self.server.asked)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(gateway: Gateway) -> Iterator[Proxy]:
    with Proxy() as running:
        running.add("gateway", gateway.server_port, kind=HttpLink)
        yield running


def link_of(proxy: Proxy) -> HttpLink:
    link = proxy.links["gateway"]
    assert isinstance(link, HttpLink)
    return link


def charge(proxy: Proxy, uid: str = "order1") -> httpx.Response:
    url = f"http://{HOST}:{link_of(proxy).port}{PATH}"
    with httpx.Client(verify=WITHOUT_TLS, timeout=SECONDS, trust_env=False) as client:
        return client.post(url, json={"merchant_uid": uid})


def until(probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def asked(gateway: Gateway, times: int) -> None:
    until(lambda: len(gateway.asked) >= times)
    assert len(gateway.asked) == times


def test_a_charge_passes_and_is_counted(proxy: Proxy, gateway: Gateway) -> None:
    assert charge(proxy).json() == {"n": 1}
    assert charge(proxy, "order2").json() == {"n": 2}
    assert gateway.asked == ["order1", "order2"]
    assert dict(link_of(proxy).charges) == {"order1": 1, "order2": 1}
    until(lambda: not link_of(proxy).under_way)


def test_a_charge_that_was_answered_401_did_not_count(proxy: Proxy, gateway: Gateway) -> None:
    gateway.status = 401
    assert charge(proxy).status_code == 401
    until(lambda: link_of(proxy).charges["order1"] == 0)


@pytest.mark.parametrize("fault", [Fault.CUT_REQUEST, Fault.CUT_REPLY])
def test_the_request_arrives_although_the_connection_is_cut(proxy: Proxy, gateway: Gateway, fault: Fault) -> None:
    proxy.set("gateway", Toxic(fault))
    with pytest.raises(httpx.TransportError):
        charge(proxy)
    asked(gateway, 1)
    assert link_of(proxy).met[fault] == 1


def test_a_doubled_request_arrives_twice_and_the_second_answer_comes_back(proxy: Proxy, gateway: Gateway) -> None:
    proxy.set("gateway", Toxic(Fault.DUPLICATE_REQUEST))
    assert charge(proxy).json() == {"n": 2}
    asked(gateway, 2)
    assert link_of(proxy).charges["order1"] == 1, "the client sent it once"


def test_a_doubled_reply_leaves_one_too_many_on_the_connection(proxy: Proxy) -> None:
    proxy.set("gateway", Toxic(Fault.DUPLICATE_REPLY))
    connection = http.client.HTTPConnection(HOST, link_of(proxy).port, timeout=SECONDS)
    connection.connect()
    body = b'{"merchant_uid": "order1"}'
    connection.sock.sendall(b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (PATH.encode(), len(body)) + body)
    got = b""
    while got.count(b'{"n": 1}') < 2:
        piece = connection.sock.recv(65_536)
        assert piece, got
        got += piece
    connection.close()
    assert got.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(("fault", "arrived"), [(Fault.ERROR_BEFORE, 0), (Fault.ERROR_AFTER, 1)])
def test_a_page_comes_instead_of_the_answer(proxy: Proxy, gateway: Gateway, fault: Fault, arrived: int) -> None:
    proxy.set("gateway", Toxic(fault))
    answer = charge(proxy)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    assert len(gateway.asked) == arrived


def test_a_held_reply_is_under_way_until_it_comes(proxy: Proxy) -> None:
    proxy.set("gateway", Toxic(Fault.HOLD_REPLY, amount=0.4))
    began, answers = time.monotonic(), []
    thread = threading.Thread(target=lambda: answers.append(charge(proxy).json()))
    thread.start()
    until(lambda: list(link_of(proxy).under_way) == ["order1"])
    thread.join()
    assert answers == [{"n": 1}]
    assert time.monotonic() - began >= 0.4
    until(lambda: not link_of(proxy).under_way)


def test_noise_meets_its_share_of_the_charges(proxy: Proxy, gateway: Gateway) -> None:
    link_of(proxy).noise = 1.0
    for _ in range(12):
        try:
            charge(proxy)
        except httpx.TransportError:
            continue
    assert link_of(proxy).met.total() == 12
    assert len(gateway.asked) >= 10
