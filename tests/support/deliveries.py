"""A message in the hands of a worker that may be held up in the midst of a call, and go on later.

Each delivery has a thread of its own, but only one of all runs at any moment: the driver passes the turn and gets it
back, so that a run with held calls is as exact as one without.
"""

import threading
from collections.abc import Callable

TURN_SECONDS = 60.0
"""A worker that keeps its turn for longer hangs: nothing here waits for anything but the two servers."""
HELD_SECONDS = 600.0
"""Longer than any batch: a held worker whose driver is gone ends after this."""


class Crash(BaseException):
    """The process is gone: nothing may catch this, as nothing catches SIGKILL."""


class Delivery(threading.Thread):
    """One message, served by `work`, which must not raise."""

    def __init__(self, work: Callable[[], object], name: str) -> None:
        super().__init__(daemon=True, name=name)
        self._work = work
        self._worker, self._driver = threading.Semaphore(0), threading.Semaphore(0)
        self._abandoned = False
        self.until: str | int = 0
        """What it is held up for: the order that must be taken over, or so many rounds."""
        self.over = False

    def run(self) -> None:
        self._wait_for_turn()
        try:
            self._work()
        finally:
            self.over = True
            self._driver.release()

    def go(self) -> bool:
        """Let it work until it is served or held up; whether it is served."""
        if self.ident is None:
            self.start()
        self._worker.release()
        assert self._driver.acquire(timeout=TURN_SECONDS), f"this delivery hangs: {self.name}"
        return self.over

    def abandon(self) -> None:
        """End it: its process dies where it is."""
        self._abandoned = True
        self._worker.release()
        self.join(TURN_SECONDS)

    def hold(self, until: str | int) -> None:
        """Give the turn back, from within; returns at the next `go`."""
        self.until = until
        self._driver.release()
        self._wait_for_turn()
        if self._abandoned:
            raise Crash

    def _wait_for_turn(self) -> None:
        if not self._worker.acquire(timeout=HELD_SECONDS):
            raise Crash


def hold(until: str | int) -> None:
    """Hold up the delivery that calls this."""
    delivery = threading.current_thread()
    assert isinstance(delivery, Delivery), "only a delivery can be held up"
    delivery.hold(until)
