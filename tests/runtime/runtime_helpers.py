"""Real processes for the tests of billing_worker.runtime, and questions about them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from billing_worker.runtime.accounts import Account, run_as

ROOT = Path(__file__).resolve().parents[2]


def poll(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def python_for(account: Account | None) -> str | None:
    """A Python 3.11 or newer that the account can run: ours may lie in a closed home."""
    for program in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        answer = run_as([program, "-c", "import sys; print(sys.version_info >= (3, 11))"], account)
        if answer and answer.stdout == "True\n":
            return program
    return None


@contextlib.contextmanager
def helper(code: str, *arguments: object, account: Account | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs the code; killed at the end, should it still run."""
    identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    path = os.pathsep.join([str(ROOT), str(Path(psycopg.__file__).parents[1])])
    with subprocess.Popen(
        [python_for(account) or sys.executable, "-c", code, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **identity,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_9(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
