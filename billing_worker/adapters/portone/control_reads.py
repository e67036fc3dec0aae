"""Control reads, shared by all threads of a process that need one at the same time.

In a storm many threads find no payment under their orders, and each needs proof that the gateway shows existing
payments. A control read proves this for reads that ended before it began. Otherwise an outage that began in between
could hide an existing payment. So one control read serves all threads that asked before it began; later ones wait for
the next.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

CONTROL_EVERY = 1.0
"""Seconds between two control reads of one payment: long enough to gather a storm, short against a settle window."""


@dataclass(frozen=True, slots=True)
class _Result:
    began: float
    shown: bool


class ControlReads:
    """Checks whether the gateway shows payments that are known to exist."""

    def __init__(
        self,
        read: Callable[[str], bool],
        *,
        every: float = CONTROL_EVERY,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._read = read
        self._every = every
        self._monotonic = monotonic
        self._sleep = sleep
        self._changed = threading.Condition()
        self._results: dict[str, _Result] = {}
        self._reading: set[str] = set()

    def shows(self, imp_uid: str) -> bool:
        """Whether the gateway shows the payment, by a read that begins after this call, in this or another thread."""
        asked = self._monotonic()
        with self._changed:
            while (result := self._results.get(imp_uid)) is None or result.began < asked:
                if imp_uid not in self._reading:
                    self._reading.add(imp_uid)
                    break
                self._changed.wait()
            else:
                return result.shown
        try:
            return self._read_now(imp_uid, result)
        finally:
            with self._changed:
                self._reading.discard(imp_uid)
                self._changed.notify_all()

    def _read_now(self, imp_uid: str, last: _Result | None) -> bool:
        pause = last.began + self._every - self._monotonic() if last is not None else 0.0
        if pause > 0:
            self._sleep(pause)
        began = self._monotonic()
        shown = self._read(imp_uid)
        with self._changed:
            fresh = {uid: each for uid, each in self._results.items() if began - each.began < self._every}
            self._results = fresh | {imp_uid: _Result(began, shown)}
        return shown
