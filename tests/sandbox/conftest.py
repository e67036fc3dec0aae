"""A real sandbox on a real socket for every test, and a receiver for what it sends."""

import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sandbox_calls import DEADLINE, Caller, Process, Received, Receiver, eventually

from billing_worker.sandbox import SandboxOptions
from billing_worker.sandbox.server import bound, server_for


@pytest.fixture
def sandbox() -> Iterator[Callable[..., Caller]]:
    """Start sandboxes in threads: `sandbox(late_after=1)` returns a caller."""
    with contextlib.ExitStack() as running:

        def start(**options: Any) -> Caller:
            wanted = SandboxOptions(port=0, **options)
            listening = running.enter_context(bound(wanted))
            server = server_for(wanted)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            running.callback(thread.join, DEADLINE)
            running.callback(server.handle_exit, signal.SIGTERM, None)
            eventually(lambda: server.started)
            caller = Caller(f"http://127.0.0.1:{listening.getsockname()[1]}")
            running.callback(caller.http.close)
            return caller

        yield start


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0)).decode()
            kind = self.headers["content-type"] or ""
            mine.got.append(Received(self.command, self.path, kind, body, time.time()))
            status, answer = mine.answers.pop(0) if mine.answers else (200, b"OK")
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self.headers["content-length"] = "0"
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        mine = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield mine
        server.shutdown()
        thread.join(DEADLINE)


@pytest.fixture
def process() -> Iterator[Callable[..., Process]]:
    """Start sandboxes as users do: `process("--ledger", path)`; the port is chosen by the system."""
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str | Path, **environment: str) -> Process:
        command = [sys.executable, "-m", "billing_worker.sandbox", "--port", "0", *map(str, flags)]
        popen = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | environment
        )
        started.append(popen)
        assert popen.stdout is not None
        line = popen.stdout.readline()
        assert line.startswith("sandbox on http://"), line
        url = line.split()[2]
        with httpx.Client(trust_env=False) as http:
            eventually(lambda: _healthy(http, url))
        return Process(popen, url)

    yield start
    for popen in started:
        if popen.poll() is None:
            popen.kill()
        popen.wait(DEADLINE)
        assert popen.stdout is not None
        popen.stdout.close()


def _healthy(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(f"{url}/_sandbox/health").status_code == 200
    except httpx.TransportError:
        return False
