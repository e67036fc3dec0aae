"""The process: where it listens, how it says that it cannot, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from web_calls import DEADLINE, TOKEN, pingback

from billing_worker.runtime import free_port

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start it with these arguments."""
    started: list[subprocess.Popen[str]] = []

    def popen(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / "served_app.py"), *map(str, arguments)]
        path = os.pathsep.join([str(ROOT), str(HERE)])
        env = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        both = subprocess.STDOUT
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=both, text=True, env=env, cwd=ROOT))
        return started[-1]

    yield popen
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=DEADLINE)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_cleanly_when_asked_to(start: Start, ending: signal.Signals) -> None:
    process = start("127.0.0.1", 0)
    url = address_of(process)
    answer = httpx.get(f"{url}/healthz", trust_env=False)
    assert answer.status_code == 200
    assert "server" not in answer.headers
    process.send_signal(ending)
    rest, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, rest
    assert "web.stopped" in rest
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz", trust_env=False)


def test_no_address_with_its_query_is_logged(start: Start) -> None:
    process = start("127.0.0.1", 0)
    url = address_of(process)
    query = pingback(uid="customer-uid-to-hide")
    assert httpx.get(f"{url}/webhooks/paymentwall?{query}", trust_env=False).status_code == 503
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=DEADLINE)
    assert "request.unavailable" in rest
    assert "customer-uid-to-hide" not in rest
    assert "sig=" not in rest


def test_a_port_in_use_is_one_line_that_names_the_setting(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = only_line(start("127.0.0.1", port))
    assert line.startswith(f"billing-worker: BILLING_WEB_PORT: port {port} on 127.0.0.1 is in use")


def test_with_a_token_any_address_of_this_machine_will_do(start: Start) -> None:
    url = address_of(start("0.0.0.0", 0, TOKEN))  # noqa: S104 - that is the question
    url = url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    assert httpx.get(f"{url}/v1/nothing", trust_env=False).status_code == 401
    names = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{url}/v1/nothing", headers=names, trust_env=False).status_code == 404


def test_an_address_that_is_not_ours_is_one_line_that_names_the_setting(start: Start) -> None:
    assert only_line(start("192.0.2.1", free_port(), TOKEN)).startswith("billing-worker: BILLING_WEB_HOST: ")
    assert only_line(start("no.such.host.invalid", free_port())).startswith("billing-worker: BILLING_WEB_HOST: ")


def test_an_empty_token_is_no_token_and_no_start(start: Start) -> None:
    process = start("127.0.0.1", 0, " ")
    rest, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode != 0
    assert "BILLING_API_TOKEN: is empty" in rest


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "web.listening" in line, line
    return line.partition("url=")[2].split()[0].strip('"')


def only_line(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2, out
    (line,) = out.splitlines()
    return line
