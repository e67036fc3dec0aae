"""The processes of the run: started, killed, stopped and started again."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from billing_worker.runtime import EmbeddedPostgres, EmbeddedRedis, RuntimeProblem
from billing_worker.runtime.children import has_ended, kill_group, spawn

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.5
"""Seconds before a process that ended by itself is started again; doubles up to LONGEST_PAUSE."""
LONGEST_PAUSE = 4.0
LIVED_WELL = 20.0
"""Who lived so many seconds starts again after the first pause."""
LOG_BYTES = 20_000_000


class Program:
    """One of our processes through its lives."""

    def __init__(self, name: str, arguments: Iterable[str], settings: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.lives = 0
        self.ended: Counter[int] = Counter()
        """Exit statuses of lives that the plan did not end."""
        self._argv = [sys.executable, "-m", *arguments]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._environment = environment | {"PYTHONWARNINGS": "ignore", "BILLING_VAR_DIR": str(folder)} | dict(settings)
        self._folder = folder
        self._log = folder / "logs" / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._expected = False
        self._started = 0.0
        self._start_at: float | None = None
        self._pause = PAUSE

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and not has_ended(self._process)

    def start(self) -> None:
        """Start it now."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        mode = "wb" if self._log.exists() and self._log.stat().st_size > LOG_BYTES else "ab"
        with self._log.open(mode) as output:
            self._process = spawn(
                self._argv,
                death_signal=signal.SIGKILL,
                env=self._environment,
                cwd=self._folder,
                output=output,
            )
        self._started, self._start_at, self._expected = time.monotonic(), None, False
        self.lives += 1

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to it and what it started; False when it does not run."""
        if self._process is None or not self.alive:
            return False
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        return True

    def kill(self, down: float) -> bool:
        """SIGKILL, and a new life after `down` seconds; False when there was no process to kill."""
        if not self.signal(signal.SIGKILL):
            return False
        self._bury()
        self._start_at = time.monotonic() + down
        return True

    def term(self) -> bool:
        """SIGTERM to the process alone, as a deployment does; it is started again when it has ended."""
        if self._process is None or not self.alive:
            return False
        self._process.send_signal(signal.SIGTERM)
        self._expected = True
        return True

    def look_after(self) -> None:
        """Start it again where it is time to; take note of an end of its own."""
        now = time.monotonic()
        if self._process is None:
            if self._start_at is not None and now >= self._start_at:
                self.start()
        elif has_ended(self._process):
            status, expected = self._bury(), self._expected
            if not expected:
                self.ended[status] += 1
            self._pause = PAUSE if expected or now - self._started > LIVED_WELL else min(2 * self._pause, LONGEST_PAUSE)
            self._start_at = now if expected else now + self._pause

    def close(self) -> None:
        """End it for good."""
        if self._process is not None:
            self._bury()

    def _bury(self) -> int:
        process, self._process = self._process, None
        assert process is not None
        kill_group(process)
        return process.returncode


class Server:
    """PostgreSQL or Redis through its lives. It is started in a thread, since that takes a second or two."""

    def __init__(self, name: str, server: EmbeddedPostgres | EmbeddedRedis, moved: Callable[[str], None]) -> None:
        self.name = name
        self.server = server
        self.lives = 1
        self.ended: Counter[int] = Counter()
        self.trouble: Counter[str] = Counter()
        """Why a start failed, where it did."""
        self._moved = moved
        self._start_at: float | None = None
        self._starting: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs and is not being started."""
        return self._starting is None and self.server.running

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the server and to all its processes; False when it does not run."""
        process = self.server._process
        if not self.alive or process is None:
            return False
        for pid in (process.pid, *descendants(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return True

    def kill(self, down: float) -> bool:
        """SIGKILL to the server alone: its own processes notice and end. A new life after `down` seconds."""
        process = self.server._process
        if not self.alive or process is None:
            return False
        self.signal(signal.SIGCONT)  # should it be stopped: its processes could not notice
        process.kill()
        process.wait()
        self._start_at = time.monotonic() + down
        return True

    def look_after(self) -> None:
        """Start it again where it is time to."""
        if self._starting is not None:
            if not self._starting.is_alive():
                self._starting = None
        elif not self.server.running:
            if self._start_at is None:
                self.ended[self.server._process.returncode if self.server._process else 0] += 1
                self._start_at = time.monotonic()
            if time.monotonic() >= self._start_at:
                self._starting = threading.Thread(target=self._start, name=f"starts {self.name}", daemon=True)
                self._starting.start()

    def close(self) -> None:
        """End it for good."""
        self.signal(signal.SIGCONT)
        if self._starting is not None:
            self._starting.join()
        self.server.stop()

    def _start(self) -> None:
        try:
            self._moved(self.server.start())
        except RuntimeProblem as problem:
            self.trouble[str(problem)] += 1
            self._start_at = time.monotonic() + LONGEST_PAUSE
        else:
            self._start_at = None
            self.lives += 1


def descendants(pid: int) -> list[int]:
    """Pids of all processes below this one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        own = children.get(todo.pop(), [])
        found += own
        todo += own
    return found
