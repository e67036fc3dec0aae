"""Hold processes to a share of a CPU, by SIGSTOP and SIGCONT: what a quota of a container does, without its rights."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LOOK = 0.02
"""Seconds between two looks at the clock of a process."""
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def held_to(share: float, pids: Sequence[int]) -> Iterator[None]:
    """Each of these processes gets at most this share of a CPU until the block ends."""
    over = threading.Event()
    threads = [threading.Thread(target=_hold, args=(pid, share, over), name=f"holds {pid}") for pid in pids]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _hold(pid: int, share: float, over: threading.Event) -> None:
    """It never saves up what it did not use: a quota has no memory either."""
    allowed, stopped = cpu_seconds(pid), False
    with suppress(ProcessLookupError, FileNotFoundError):
        while not over.wait(LOOK):
            used = cpu_seconds(pid)
            allowed = max(allowed + share * LOOK, used) if used <= allowed else allowed + share * LOOK
            if (used > allowed) != stopped:
                stopped = not stopped
                os.kill(pid, signal.SIGSTOP if stopped else signal.SIGCONT)
        os.kill(pid, signal.SIGCONT)
