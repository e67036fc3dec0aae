"""Ring without waiting: a webhook is answered when it is stored, even if the broker hangs."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import structlog

from billing_worker.ports.outside import Doorbell

MOST_RINGS = 1000
"""Rings kept for a slow broker. Further rings are dropped; the scan finds their work, as after any lost ring."""

RINGS = 50
"""Rings per second beyond the first hundred: ringing costs more than storing, and the scan also serves a flood."""
AT_FIRST = 100.0

_log = structlog.get_logger("billing.web")


class Bell:
    """Rings in its own thread, so that a hanging broker delays no answer."""

    def __init__(self, doorbell: Doorbell) -> None:
        self._doorbell = doorbell
        self._places = threading.BoundedSemaphore(MOST_RINGS)
        self._left, self._counted = AT_FIRST, time.monotonic()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="doorbell")

    def ring(self, job: str, ident: str) -> None:
        """Ask for `job` on one id. Never raises, never waits."""
        if not self._may():
            return
        if not self._places.acquire(blocking=False):
            return
        try:
            self._thread.submit(self._ring, job, ident)
        except RuntimeError:  # the process is ending
            self._places.release()

    def _may(self) -> bool:
        now = time.monotonic()
        self._left = min(AT_FIRST, self._left + RINGS * (now - self._counted))
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def close(self) -> None:
        """Drop the waiting rings: the next scan finds their work."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ring(self, job: str, ident: str) -> None:
        try:
            self._doorbell.ring(job, ident)
        except Exception as error:  # noqa: BLE001 - it promises not to raise, and this is no place to rely on that
            _log.warning("bell.not_rung", job=job, id=ident, error=type(error).__name__)
        finally:
            self._places.release()
