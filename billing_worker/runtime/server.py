"""The common part of the embedded PostgreSQL and Redis: one directory, one lock, one port, one process."""

import abc
import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from billing_worker.runtime import files
from billing_worker.runtime.children import KERNEL_SIGNALS_PARENT_DEATH, guardian
from billing_worker.runtime.errors import RuntimeProblem
from billing_worker.runtime.waiting import free_port, port_is_free

HOST = "127.0.0.1"
_START_SECONDS = 120  # recovery after a crash replays the log written since the last checkpoint
_OWNER_SECONDS = 1  # an owner killed just now still has its files open for a moment
_LEFTOVER_SECONDS = 30  # a server whose owner was killed is still writing its last pages
_PORTS_TRIED = 6
_PORT_TAKEN = b"Address already in use"
_POLL_SECONDS = 0.01


class EmbeddedServer(abc.ABC):
    """A server process over one directory, reachable on 127.0.0.1 with a password.

    `start()` may be called again at any time: a running server is left alone, a dead one is started again. Port and
    password are stored in the directory, so the URL stays the same while the port is free. The server ends when this
    process ends, for any reason. Two processes never share one directory: the second gets a RuntimeProblem.
    """

    title: ClassVar[str]
    stop_steps: ClassVar[tuple[tuple[signal.Signals, float], ...]]  # each signal, and the seconds to wait after it

    def __init__(self, directory: Path) -> None:
        self.directory = directory.expanduser().absolute()
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""
        self._owner_lock = files.Lock(self.directory / "owner.lock")  # ours alone
        self._server_lock = files.Lock(self.directory / "server.lock")  # inherited: held while any server process lives
        self._mutex = threading.RLock()

    @property
    def log_file(self) -> Path:
        """The server's log."""
        return self.directory / "server.log"

    @property
    def running(self) -> bool:
        """Whether the server process lives now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start the server unless it runs, wait until it answers, and return its URL (with the password in it).

        Raises RuntimeProblem when there is no server program, when the directory is in use or not ours, or when the
        server does not start.
        """
        with self._mutex:
            if self.running:
                return self._url
            try:
                self._forget()
                self._take_directory()
                self._prepare()
                self._url = self._launch()
            except OSError as error:  # files that another user made here, a full disk
                self.stop()
                raise RuntimeProblem(
                    f"{self.title} cannot use {error.filename or self.directory}: {error.strerror}; "
                    f"start as the user who made it, or choose another folder with BILLING_VAR_DIR"
                ) from error
            except BaseException:  # Ctrl-C during the start leaves no server behind either
                self.stop()
                raise
            return self._url

    def stop(self) -> None:
        """Stop the server gently, then forcibly; does nothing when it does not run."""
        with self._mutex:
            try:
                if self._process is not None:
                    self._end(self._process)
            finally:
                self._forget()
                self._server_lock.release()
                self._owner_lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abc.abstractmethod
    def _prepare(self) -> None:
        """Find the program, and prepare the data for the start."""

    @abc.abstractmethod
    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        """Start the server process; it inherits the server lock."""

    @abc.abstractmethod
    def _is_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        """Whether this very process answers."""

    @abc.abstractmethod
    def _url_for(self, port: int) -> str:
        """The URL for clients."""

    def _take_directory(self) -> None:
        files.make_directory(self.directory)
        if not _taken_within(_OWNER_SECONDS, self._owner_lock):
            raise RuntimeProblem(
                f"{self.directory} is already in use by {self._owner_lock.holder()}: "
                f"stop that first, or choose another folder with BILLING_VAR_DIR"
            )
        if not _taken_within(_LEFTOVER_SECONDS, self._server_lock):
            raise RuntimeProblem(
                f"an earlier {self.title} still runs in {self.directory} although its owner is gone: "
                f"end it (`fuser {self.directory}/server.lock` names it), then start again"
            )

    def _launch(self) -> str:
        for port in self._ports():
            log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
            self._process = self._spawn(port)
            if not KERNEL_SIGNALS_PARENT_DEATH:
                guardian.watch(self._process.pid, *self.stop_steps[0])
            if self._wait_ready(self._process, port):
                self._server_lock.release()  # the server holds it now
                files.write_private(self.directory / "port", f"{port}\n")
                return self._url_for(port)
            status = self._process.returncode
            self._forget()
            said = self._log_since(log_start)
            if _PORT_TAKEN not in said:
                raise RuntimeProblem(f"{self.title} ended at start ({_last_words(said, status)}); see {self.log_file}")
        raise RuntimeProblem(f"{self.title} found no free port on {HOST} in {_PORTS_TRIED} attempts")

    def _ports(self) -> Iterator[int]:
        """The last port if it is free, so that the URL stays the same; then any free ones."""
        attempts = _PORTS_TRIED
        with contextlib.suppress(ValueError):
            last = int(files.read_or_none(self.directory / "port") or "none")
            if port_is_free(HOST, last):
                attempts -= 1
                yield last
        for _ in range(attempts):
            yield free_port(HOST)

    def _wait_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        """Return True when the server answers, False when its process ended."""
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None:
            if self._is_ready(process, port):
                return True
            if time.monotonic() >= deadline:
                raise RuntimeProblem(f"{self.title} does not answer after {_START_SECONDS} s; see {self.log_file}")
            time.sleep(_POLL_SECONDS)
        return False

    def _log_since(self, position: int) -> bytes:
        with self.log_file.open("rb") as log:
            log.seek(position if position <= self.log_file.stat().st_size else 0)
            return log.read()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            for number, grace in self.stop_steps:
                process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(grace)
                    return
        except BaseException:  # a second Ctrl-C: kill it now, the data survive that as they survive a crash
            process.kill()
            process.wait()
            raise

    def _forget(self) -> None:
        if self._process is not None:
            guardian.forget(self._process.pid)
            self._process = None


def _taken_within(seconds: float, lock: files.Lock) -> bool:
    deadline = time.monotonic() + seconds
    while not lock.take():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _last_words(said: bytes, status: int | None) -> str:
    """The most useful line of the log: the last one that reports an error, else the last one."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "rror", "cannot run"))]
    return (telling or lines or [f"status {status}"])[-1]
