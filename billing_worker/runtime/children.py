"""Start child processes that cannot outlive this one.

There are two safety nets. On Linux the kernel sends the child a signal when its parent dies, even by `kill -9`:
`launcher.py` requests that. On every system, a guardian process holds a pipe from us. When the pipe closes, it ends the
processes that it watches. The guardian reaches grandchildren too, so the supervisor uses it on every system; the
embedded servers, which end their own children, need it only without the kernel's signal.
"""

import atexit
import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from billing_worker.runtime.accounts import Account
from billing_worker.runtime.errors import RuntimeProblem

# The launcher calls the kernel through ctypes, which some builds of Python lack.
KERNEL_SIGNALS_PARENT_DEATH = sys.platform.startswith("linux") and importlib.util.find_spec("_ctypes") is not None
_HERE = Path(__file__).resolve().parent
_PYTHON = (sys.executable, "-I", "-S")  # isolated and without site-packages: fast, and independent of PYTHON* variables


def spawn(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals,
    env: Mapping[str, str],
    cwd: Path = Path("/"),
    account: Account | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    output: int | IO[bytes] = subprocess.DEVNULL,
    pass_fds: tuple[int, ...] = (),
    umask: int = -1,
) -> subprocess.Popen[bytes]:
    """Start `argv` in its own session, under `account` if given; it gets `death_signal` when this process dies.

    A program that cannot be run ends with status 127 and one line in its output. Raises RuntimeProblem when not even
    the launcher can be started.
    """
    who = f"{account.uid}:{account.gid}" if account else "-"
    settings = (str(os.getpid()), str(int(death_signal)), who, str(cwd))

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*_PYTHON, str(_HERE / "launcher.py"), *settings, *argv],
            env=dict(env),
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # we pass a Ctrl-C of the terminal on, in order
            pass_fds=pass_fds,
            umask=umask,
        )

    try:
        if not KERNEL_SIGNALS_PARENT_DEATH or threading.current_thread() is threading.main_thread():
            return start()
        return _start_in_lasting_thread(start)
    except OSError as error:
        raise RuntimeProblem(f"cannot start a process for {argv[0]}: {error.strerror}") from error


def _start_in_lasting_thread(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start the child from a thread that lives as long as the child.

    To the kernel "the parent" is the thread that forked: a child started from a thread that ends would be signalled.
    """
    result: list[subprocess.Popen[bytes] | OSError] = []
    started = threading.Event()

    def hold() -> None:
        try:
            process = start()
        except OSError as error:
            result.append(error)
            started.set()
            return
        result.append(process)
        started.set()
        with contextlib.suppress(ChildProcessError):  # collected by its user before we looked
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # leaves the collecting to its user

    threading.Thread(target=hold, name="holds a child", daemon=True).start()
    started.wait()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the child ended. Does not collect it, if the system allows that.

    Until the child is collected, the system does not reuse its pid, which is also its group's number.
    """
    if process.returncode is None and hasattr(os, "waitid"):  # not on macOS before Python 3.13
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and all processes left in its group, and collect it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a zombie's group
        os.killpg(process.pid, signal.SIGKILL)
    guardian.forget(process.pid)
    process.wait()


class Guardian:
    """This process's guardian, started at first use, and again if it was killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._orders: dict[int, bytes] = {}
        self._mutex = threading.RLock()

    def watch(self, pid: int, sign_off: signal.Signals, grace: float) -> None:
        """Let the process and its group end with us: `sign_off`, then SIGKILL after `grace` seconds."""
        number = 0 if KERNEL_SIGNALS_PARENT_DEATH else int(sign_off)  # twice would mean "hurry" to a Celery worker
        with self._mutex:
            if self._owner != os.getpid():  # forked: this guardian belongs to our parent
                self._process, self._owner, self._orders = None, os.getpid(), {}
            self._orders[pid] = f"watch {pid} {number} {grace}\n".encode()
            self._send(self._orders[pid])

    def forget(self, pid: int) -> None:
        """Stop watching, because the process and its group are gone. Call this before the system can reuse the pid."""
        with self._mutex:
            if self._orders.pop(pid, None) is not None and self._owner == os.getpid():
                self._send(f"forget {pid}\n".encode())

    def release(self) -> None:
        """Let the guardian go where it has nothing to watch: Python complains of a child that is left at the exit."""
        with self._mutex:
            if self._process is None or self._owner != os.getpid() or self._orders:
                return
            process, self._process = self._process, None
            if process.stdin is not None:
                process.stdin.close()
            process.wait()

    def _send(self, order: bytes) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()
            order = b"".join(self._orders.values())
        try:
            self._write(order)
        except BrokenPipeError:
            self._start()
            self._write(b"".join(self._orders.values()))

    def _write(self, order: bytes) -> None:
        stdin: Any = self._process.stdin if self._process else None
        stdin.write(order)

    def _start(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
        self._process = subprocess.Popen(
            [*_PYTHON, str(_HERE / "guardian.py")],
            env={},
            cwd="/",
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


guardian = Guardian()
atexit.register(guardian.release)
