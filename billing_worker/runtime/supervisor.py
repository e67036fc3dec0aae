"""Keep a list of processes running, and end all of them on request, or when this process dies."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from billing_worker.runtime import output
from billing_worker.runtime.process import Child, Process

_POLL_SECONDS = 0.05
_SAME_PRESS_SECONDS = 0.5  # a Ctrl-C that a parent such as `uv run` passes on arrives twice


class Supervisor:
    """Runs the processes, restarts those that die, and stops all of them in reverse order.

    Each process has its own session. When it ends, the rest of its group is killed. `log` gets one line for each event
    and, unless `output_dir` is given, each line the processes print; it is called from several threads, one at a time.
    With `output_dir` a process prints into `output_dir/NAME.log`.

    From `start()` to `stop()`, when called from the main thread, SIGINT, SIGTERM and SIGHUP are ours: the first ends
    `run()` in good order, another one half a second or more later kills at once. If this process is killed, each
    process gets its stop signal and, after its grace, SIGKILL. A grandchild with its own session escapes.
    """

    def __init__(
        self, processes: Sequence[Process], log: Callable[[str], None], *, output_dir: Path | None = None
    ) -> None:
        self._log = log
        self._log_mutex = threading.Lock()
        self._children = [Child(spec, self._sink(spec.name, output_dir), self._say) for spec in processes]
        self._old_handlers: dict[signal.Signals, Any] = {}
        self._requests = 0
        self._last_request = 0.0

    @property
    def ready(self) -> bool:
        """Whether all processes run and are ready."""
        return all(child.ready for child in self._children)

    @property
    def pids(self) -> dict[str, int]:
        """The pid of each running process, by name."""
        return {child.spec.name: child.process.pid for child in self._children if child.process is not None}

    def start(self) -> None:
        """Start all processes in order, without waiting for them to be ready.

        Raises RuntimeProblem, and starts none, when a program does not exist. A signal during the start ends it; the
        following `run()` then stops what was started.
        """
        for child in self._children:
            child.check_program()
        self._requests = 0
        self._take_signals()
        try:
            for child in self._children:
                if not self._requests:
                    child.start()
        except BaseException:
            self.stop()
            raise

    def run(self, until: Callable[[], bool] | None = None) -> bool:
        """Supervise the processes until `until()` is true, a signal arrives, or `request_stop()` is called.

        Returns True when `until()` is true: all processes keep running, and `run()` may be called again. Returns False
        otherwise, after all have been stopped. An exception of `until()` stops all and is passed on.
        """
        try:
            while not self._requests:
                for child in self._children:
                    child.look_after()
                if until is not None and until():
                    return True
                time.sleep(_POLL_SECONDS)
        except BaseException:
            self.stop()
            raise
        self.stop()
        return False

    def request_stop(self) -> None:
        """Make `run()` stop everything and return; from any thread or signal handler. A later second call kills."""
        now = time.monotonic()
        if not self._requests or now - self._last_request >= _SAME_PRESS_SECONDS:
            self._requests += 1
            self._last_request = now

    def stop(self) -> None:
        """Stop all processes, the last of the list first; does nothing when none runs."""
        already = min(self._requests, 1)
        try:
            for child in reversed(self._children):
                child.stop(lambda: self._requests > already)
        finally:
            for child in self._children:
                child.discard()  # has an effect only after an error above
            self._give_signals_back()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _sink(self, name: str, directory: Path | None) -> output.Sink:
        return output.prefixed(name, self._say) if directory is None else output.into_file(directory, name)

    def _say(self, line: str) -> None:
        # The reader of our output may be gone (a closed terminal, `| head`). That must not leave processes behind.
        with self._log_mutex, contextlib.suppress(OSError, ValueError):
            self._log(line)

    def _take_signals(self) -> None:
        if threading.current_thread() is threading.main_thread() and not self._old_handlers:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup wants it ignored
                    self._old_handlers[number] = signal.signal(number, self._on_signal)

    def _give_signals_back(self) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._old_handlers = {}

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature is Python's
        self.request_stop()
