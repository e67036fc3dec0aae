"""The clock of every process: the database server's, so that all processes agree on due work.

Between two reads of the server's clock, the process's monotonic clock advances the time. A jump of a host's wall clock
has no effect.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from billing_worker.domain.errors import Unavailable
from billing_worker.domain.moment import Moment
from billing_worker.domain.time_machine import TimeMachine

LOOK_EVERY = 30.0
"""Seconds between two reads of the server's clock; quartz drifts far less than a millisecond in that time."""


class DatabaseClock:
    """Follows the database server's clock; billing time may run through a time machine."""

    def __init__(
        self, read_server_time: Callable[[], datetime], machine: Callable[[], TimeMachine] | None = None
    ) -> None:
        self._read_server_time = read_server_time
        self._machine = machine
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._seen: tuple[datetime, float] | None = None
        """The server's time, and ours at the same moment: replaced as one value, read without the lock."""

    def moment(self) -> Moment:
        """Both times, from one reading. Raises Unavailable when the server was never reached."""
        real = self._real_now()
        return Moment(billing=real if self._machine is None else self._machine().shows(real), real=real)

    def wait_until(self, real: datetime) -> None:
        """Wait until this real time."""
        time.sleep(max(0.0, (real - self._real_now()).total_seconds()))

    def _real_now(self) -> datetime:
        seen = self._seen
        if seen is None or (time.monotonic() - seen[1] > LOOK_EVERY and not getattr(self._thread, "is_steady", False)):
            seen = self._look()
        return seen[0] + timedelta(seconds=time.monotonic() - seen[1])

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Read the server's clock now if that is due, but not while the block runs: the block holds a connection.

        Threads that each hold one connection and wait for a second wait for ever if the pool is empty, and a pooler may
        have two. Raises Unavailable when the server was never reached.
        """
        self._real_now()
        with self.still():
            yield

    @contextmanager
    def still(self) -> Iterator[None]:
        """Do not read the server's clock while the block runs: another thread has read it, and took this connection."""
        was = getattr(self._thread, "is_steady", False)
        self._thread.is_steady = True
        try:
            yield
        finally:
            self._thread.is_steady = was

    def _look(self) -> tuple[datetime, float]:
        with self._lock:
            seen = self._seen
            if seen is not None and time.monotonic() - seen[1] <= LOOK_EVERY:
                return seen
            before = time.monotonic()
            try:
                server = self._read_server_time()
            except Unavailable:
                if seen is None:
                    raise
                return seen
            after = time.monotonic()
            self._seen = (server, (before + after) / 2)
            return self._seen
