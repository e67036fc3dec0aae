"""One supervised process: its program, and its restarts."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from billing_worker.runtime import output
from billing_worker.runtime.children import guardian, has_ended, kill_group, spawn
from billing_worker.runtime.errors import RuntimeProblem

_POLL_SECONDS = 0.05
_FIRST_DELAY = 0.5  # before a restart; doubles with each death up to _LONGEST_DELAY
_LONGEST_DELAY = 30.0
_HEALTHY_SECONDS = 30.0  # who lived this long starts again with the first delay
_LAST_LINES_SECONDS = 1.0  # for the output of a dead process to be read to its end


@dataclass(frozen=True)
class Process:
    """The program to run. `ready` is called often and must be quick; an OSError from it means "not yet".

    A program with a `sign` is ready when it has made this file, which is removed before each start.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None  # None: our own environment
    ready: Callable[[], bool] | None = None  # None, and no sign: ready as soon as it was started
    sign: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace: float = 10.0  # seconds between the signal and SIGKILL
    cwd: Path | None = None


class Child:
    """One process of the list through its restarts: waiting to start, starting, ready, ended, waiting again."""

    def __init__(self, spec: Process, sink: output.Sink, say: Callable[[str], None]) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self._sink = sink
        self._say = say
        self._reader: threading.Thread | None = None
        self._delay = _FIRST_DELAY
        self._started = 0.0
        self._start_at = 0.0

    def check_program(self) -> None:
        """Raise RuntimeProblem if the program does not exist: a restart would not help."""
        program = self.spec.argv[0]
        path = (self.spec.env or os.environ).get("PATH", os.defpath)
        if (
            shutil.which(str(self.spec.cwd / program) if self.spec.cwd and "/" in program else program, path=path)
            is None
        ):
            raise RuntimeProblem(f"cannot start {self.spec.name}: there is no program {program}")

    def start(self) -> None:
        """Start it now; a failure to do so counts as a death."""
        spec = self.spec
        self._started = time.monotonic()
        self.ready = False
        if spec.sign is not None:
            spec.sign.unlink(missing_ok=True)
        try:
            self.process = spawn(
                spec.argv,
                death_signal=spec.stop_signal,
                # Python buffers its output to a pipe; we want its lines at once.
                env={"PYTHONUNBUFFERED": "1"} | dict(spec.env if spec.env is not None else os.environ),
                cwd=spec.cwd or Path.cwd(),
                output=subprocess.PIPE,
            )
        except RuntimeProblem as problem:
            self._say(f"{spec.name}: {problem}")
            self._plan_restart()
            return
        guardian.watch(self.process.pid, spec.stop_signal, spec.stop_grace)
        if self.process.stdout is not None:
            self._reader = output.follow(self.process.stdout, self._sink, spec.name)
        self._say(f"{spec.name}: started, pid {self.process.pid}")

    def look_after(self) -> None:
        """Note the changes of the process since the last call."""
        if self.process is None:
            if time.monotonic() >= self._start_at:
                self.start()
        elif has_ended(self.process):
            self._say(f"{self.spec.name}: {self._bury(self.process)}")
            self._plan_restart()
        elif not self.ready and self._answers():
            self.ready = True
            self._say(f"{self.spec.name}: ready after {time.monotonic() - self._started:.1f} s")

    def stop(self, in_a_hurry: Callable[[], bool]) -> None:
        """End it: its signal, its grace, then SIGKILL to its whole group."""
        if self.process is None:
            return
        deadline = time.monotonic() + self.spec.stop_grace
        with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
            os.kill(self.process.pid, self.spec.stop_signal)
        while not has_ended(self.process):
            if in_a_hurry() or time.monotonic() >= deadline:
                why = "in a hurry" if in_a_hurry() else f"still there {self.spec.stop_grace:g} s after the signal"
                self._say(f"{self.spec.name}: {why}, killing it")
                break
            time.sleep(_POLL_SECONDS)
        self._say(f"{self.spec.name}: stopped, {self._bury(self.process)}")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            is_signed = self.spec.sign is None or self.spec.sign.exists()
            return is_signed and (self.spec.ready is None or self.spec.ready())
        return False

    def discard(self) -> None:
        """Kill it at once if it runs."""
        if self.process is not None:
            self._bury(self.process)

    def _bury(self, process: subprocess.Popen[bytes]) -> str:
        kill_group(process)
        if self._reader is not None:
            self._reader.join(_LAST_LINES_SECONDS)
        self.process, self.ready = None, False
        status = process.returncode
        return f"ended by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"

    def _plan_restart(self) -> None:
        now = time.monotonic()
        if now - self._started >= _HEALTHY_SECONDS:
            self._delay = _FIRST_DELAY
        self._start_at = now + self._delay
        self._say(f"{self.spec.name}: restarting in {self._delay:g} s")
        self._delay = min(self._delay * 2, _LONGEST_DELAY)
