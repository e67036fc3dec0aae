"""`billing-worker up`: the same processes for real use."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from billing_worker.runtime import free_port
from tests.support.plain_http import WITHOUT_TLS

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(600)]

COMMAND = (sys.executable, "-m", "billing_worker")


class Stack:
    """A running `up`, with what it prints."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment, self.lines = folder, environment, []
        self.process = subprocess.Popen(
            (*COMMAND, "up"),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)

    def stop(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=100)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        finally:
            self._reader.join(timeout=60)
            self.process.poll()
            self.process.stdout.close()

    def command(self, *words: str) -> dict:
        done = subprocess.run(
            (*COMMAND, *words, "--json"),
            check=False,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < deadline, f"no {what}; it printed:\n" + "".join(self.lines[-60:])
            time.sleep(0.1)

    def pids(self, name: str) -> list[int]:
        marks = [line for line in self.lines if line.startswith(f"{name}: started")]
        return [int("".join(c for c in line.split("pid")[1].split()[0] if c.isdigit())) for line in marks]


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Stack]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    environment |= {"BILLING_WEB_PORT": str(free_port()), "BILLING_FLOWER_PORT": str(free_port())}
    environment |= {"BILLING_SCAN_INTERVAL": "0.5", "BILLING_WORKER_PROCESSES": "1", "BILLING_WORKER_CONCURRENCY": "4"}
    stack = Stack(folder, environment | settings)
    try:
        yield stack
    finally:
        stack.stop()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, verify=WITHOUT_TLS, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_newcomer_starts_it_subscribes_a_customer_and_sees_the_charge(folder: Path) -> None:
    with running(folder) as stack:
        port = stack.environment["BILLING_WEB_PORT"]
        stack.until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "web")
        assert any("no real money moves" in line for line in stack.lines)
        plan = stack.command(
            "plan", "create", "Monthly", "--amount", "9900", "--currency", "KRW", "--interval", "month"
        )
        key = stack.command("key", "register", "ok-newcomer", "--pg", "nice_v2")
        stack.command("subscription", "create", "--plan", plan["id"], "--key", key["id"], "--customer", "newcomer")
        stack.until(lambda: any("invoice.paid" in line for line in stack.lines), "charge")
        flower = f"http://127.0.0.1:{stack.environment['BILLING_FLOWER_PORT']}/"
        stack.until(lambda: answers(flower), "Flower")
        assert (folder / "var" / "runtime.json").stat().st_mode & 0o077 == 0


@pytest.mark.fm("B4")
def test_a_worker_that_is_killed_is_started_again_and_charges(folder: Path) -> None:
    with running(folder) as stack:
        port = stack.environment["BILLING_WEB_PORT"]
        stack.until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "web")
        stack.until(lambda: bool(stack.pids("worker1")), "worker")
        os.kill(stack.pids("worker1")[0], signal.SIGKILL)
        stack.until(lambda: len(stack.pids("worker1")) == 2, "second life")
        plan = stack.command(
            "plan", "create", "Monthly", "--amount", "9900", "--currency", "KRW", "--interval", "month"
        )
        key = stack.command("key", "register", "ok-newcomer", "--pg", "nice_v2")
        stack.command("subscription", "create", "--plan", plan["id"], "--key", key["id"], "--customer", "newcomer")
        stack.until(lambda: any("invoice.paid" in line for line in stack.lines), "charge")


def test_what_was_billed_is_there_after_a_restart_and_nothing_is_billed_twice(folder: Path) -> None:
    with running(folder) as stack:
        port = stack.environment["BILLING_WEB_PORT"]
        stack.until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "web")
        plan = stack.command(
            "plan", "create", "Monthly", "--amount", "9900", "--currency", "KRW", "--interval", "month"
        )
        key = stack.command("key", "register", "ok-newcomer", "--pg", "nice_v2")
        stack.command("subscription", "create", "--plan", plan["id"], "--key", key["id"], "--customer", "newcomer")
        stack.until(lambda: any("invoice.paid" in line for line in stack.lines), "charge")
    assert not (folder / "var" / "runtime.json").exists()
    with running(folder) as stack:
        port = stack.environment["BILLING_WEB_PORT"]
        stack.until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "web")
        stack.until(lambda: any("beat: started" in line for line in stack.lines), "beat")
        months = stack.command("report")["months"]
        assert [month["paid"] for month in months] == [1]
        ledger = (folder / "var" / "sandbox-ledger.jsonl").read_text()
        assert ledger.count('"status":"paid"') + ledger.count('"status": "paid"') >= 1


def test_a_port_in_use_is_one_line_with_the_setting(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
        environment["BILLING_WEB_PORT"] = str(taken.getsockname()[1])
        done = subprocess.run(
            (*COMMAND, "up"), check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=200
        )
    assert done.returncode != 0
    assert "BILLING_WEB_PORT" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
