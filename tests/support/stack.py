"""Real Celery workers and beats as processes, on one database, broker and sandbox."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from billing_worker.runtime.children import spawn
from tests.support.sandbox import IMP_KEY, IMP_SECRET

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 240.0
STOP_SECONDS = 120.0

HASTE = {
    "BILLING_SCAN_INTERVAL": "0.2",
    "BILLING_CLAIM": "2",
    "BILLING_LEASE": "4",
    "BILLING_HTTP_DEADLINE": "3",
    "BILLING_CONNECT_TIMEOUT": "1",
    "BILLING_RESOLVE_FIRST": "0.5",
    "BILLING_SETTLE_WINDOW": "1",
    "BILLING_SETTLE_WINDOWS": "paymentwall=1",
    "BILLING_WORKER_CONCURRENCY": "4",
}
"""Everything that waits waits a second or two, with the same order among the limits as in production."""


def settings_for(database_url: str, broker_url: str, sandbox_url: str, environment: str) -> dict[str, str]:
    """The environment variables of one merchant's processes."""
    return HASTE | {
        "BILLING_DATABASE_URL": database_url,
        "BILLING_BROKER_URL": broker_url,
        "BILLING_PORTONE_API_URL": sandbox_url,
        "BILLING_PORTONE_IMP_KEY": IMP_KEY,
        "BILLING_PORTONE_IMP_SECRET": IMP_SECRET,
        "BILLING_ENVIRONMENT": environment,
    }


def eventually(probe: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """The first true answer of a probe; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := probe():
            return answer
        assert time.monotonic() < deadline, f"waited {seconds:g} s for: {what}"
        time.sleep(0.05)


class Running:
    """One process of ours, with its output in a file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, to it and to whatever it started."""
        self._signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Wait for its end; the exit status."""
        return self.process.wait(seconds)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class Stack:
    """Starts processes; whatever still runs at the end is killed. Nothing outlives the test process."""

    def __init__(self, settings: Mapping[str, str], folder: Path) -> None:
        self.settings = dict(settings)
        self._folder = folder
        self._processes: list[Running] = []

    def worker(self, *, ready: bool = True, **settings: str) -> Running:
        """A Celery worker that takes every queue; when this returns it takes work."""
        name = f"worker{len(self._processes)}"
        running = self.start(name, "worker", "--loglevel", "INFO", "--hostname", f"{name}@test", **settings)
        if ready:
            eventually(lambda: "ready." in running.output or not running.alive, f"{name} takes work", START_SECONDS)
            assert running.alive, running.output
        return running

    def beat(self, **settings: str) -> Running:
        """A Celery beat."""
        pidfile = self._folder / f"beat{len(self._processes)}.pid"
        return self.start("beat", "beat", "--loglevel", "INFO", "--pidfile", str(pidfile), **settings)

    def start(self, name: str, *arguments: str, **settings: str) -> Running:
        """`celery -A tasks ARGUMENTS`."""
        return self.program(name, "celery", "-A", "tasks", *arguments, **settings)

    def program(self, name: str, module: str, *arguments: str, **settings: str) -> Running:
        """`python -m MODULE ARGUMENTS`, with the settings of this stack."""
        number = len(self._processes)
        log = self._folder / f"{number}-{name}.log"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        environment["PYTHONWARNINGS"] = "ignore"  # celery's advice against root
        environment |= {"BILLING_VAR_DIR": str(self._folder)} | self.settings | settings
        environment = {key: value for key, value in environment.items() if value != ""}
        with log.open("wb") as output:
            process = spawn(
                [sys.executable, "-m", module, *arguments],
                death_signal=signal.SIGKILL,
                env=environment,
                cwd=self._folder,
                output=output,
            )
        self._processes.append(Running(name, process, log))
        return self._processes[-1]

    @property
    def processes(self) -> Sequence[Running]:
        """All that were started, in order."""
        return tuple(self._processes)

    @property
    def processes_live(self) -> bool:
        """Whether none of them ended by itself."""
        return all(running.alive for running in self._processes)

    def story(self) -> str:
        """What all processes printed, for the reader of a failure."""
        return "\n".join(f"--- {one.name}\n{one.output[-20000:]}" for one in self._processes)

    def close(self) -> None:
        """End everything."""
        for running in self._processes:
            running.kill()


@contextmanager
def stack_of(settings: Mapping[str, str], folder: Path) -> Iterator[Stack]:
    """A stack that ends with the block."""
    stack = Stack(settings, folder)
    try:
        yield stack
    finally:
        stack.close()
        print(stack.story())  # noqa: T201 - pytest shows it beside a failure
