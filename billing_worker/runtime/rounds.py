"""Do something again and again beside the work of a process, by a clock of its own."""

import threading
import time
from collections.abc import Callable

ENDING_SECONDS = 5.0
"""Seconds for a round under way, when the process ends."""
TOLD_EVERY = 60.0
"""Seconds between two lines about rounds that fail."""


class Rounds:
    """A thread that acts at an interval. An act that raises is told of, and tried again in the next round."""

    def __init__(
        self,
        name: str,
        every: float,
        act: Callable[[], None],
        failed: Callable[[Exception], None],
        last: Callable[[], None],
    ) -> None:
        """Both `act`, at each interval of so many seconds, and `last`, at the end, run in the thread."""
        self._every, self._act, self._failed, self._last = every, act, failed, last
        self._told_at: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Act at once, and then at each interval."""
        self._thread.start()

    def finish(self) -> None:
        """Act for the last time. It does not wait, so that a signal's handler may call it."""
        self._over.set()

    def stop(self) -> None:
        """The same, and wait for the end; an act that hangs is left behind."""
        self.finish()
        if self._thread.is_alive():
            self._thread.join(ENDING_SECONDS)

    def _run(self) -> None:
        while not self._over.is_set():
            self._try(self._act)
            self._over.wait(self._every)
        self._try(self._last)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever happens here, the process goes on with its work
            self._report(error)
        else:
            self._told_at = None

    def _report(self, error: Exception) -> None:
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            self._failed(error)
