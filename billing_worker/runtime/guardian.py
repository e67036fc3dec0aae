"""A small process that briefly outlives its parent, to end the processes that the parent left behind.

A script, not an import: `python -I -S guardian.py` reads lines from stdin: `watch PID SIGNAL GRACE` and `forget PID`.
The end of the input means that the parent is gone, for any reason. Then each process still watched gets SIGNAL (0:
none, the kernel has already sent it), and its whole group SIGKILL as soon as the process is gone or GRACE seconds are
over.

The kernel's parent-death signal exists only on Linux, and reaches only children. The guardian also reaches
grandchildren and processes that ignore signals.
"""

import contextlib
import os
import signal
import sys
import time

_POLL_SECONDS = 0.05


def read_watched() -> dict[int, tuple[int, float]]:
    """Follow the parent's orders until it is gone; return the watched processes: pid -> (signal, grace)."""
    watched: dict[int, tuple[int, float]] = {}
    for line in sys.stdin:
        match line.split():
            case ["watch", pid, number, grace]:
                watched[int(pid)] = (int(number), float(grace))
            case ["forget", pid]:
                watched.pop(int(pid), None)
    return watched


def is_there(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", "rb") as status:  # noqa: PTH123 - pathlib would double the start time
            return status.read().rpartition(b")")[2].split()[0] != b"Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # it ended between the two calls, or this system has no /proc
        return not os.path.exists("/proc/self/stat")  # noqa: PTH110 - as above
    except OSError:  # another user's process, which exists
        return True


def end_all(watched: dict[int, tuple[int, float]]) -> None:
    """Signal each process to end, then kill the rest of its group."""
    started = time.monotonic()
    for pid, (number, _) in watched.items():
        if number:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
    while watched:
        for pid, (_, grace) in list(watched.items()):
            if not is_there(pid) or time.monotonic() - started >= grace:
                with contextlib.suppress(OSError):  # the group is empty: nothing left to do
                    os.killpg(pid, signal.SIGKILL)
                del watched[pid]
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    # A signal to the parent's terminal or group must not end the guardian before its work is done.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    end_all(read_watched())
