"""The outcomes of a worker's calls, as an event of Celery with its heartbeat: for Flower and other listeners."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from celery.signals import heartbeat_sent

from tasks.process import process

EVENT = "billing-charges"
OUTCOMES = ("approved", "declined", "failed", "unknown")


class Progress:
    """Turns totals into what was added since the last heartbeat."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._before: Mapping[str, int] = {}
        self._at = monotonic()

    def since_last(self, recorded: Mapping[str, int], under_way: int) -> dict[str, float] | None:
        """Counts by outcome, calls under way, and recorded answers per second; None while nothing happens."""
        added = {outcome: recorded.get(outcome, 0) - self._before.get(outcome, 0) for outcome in OUTCOMES}
        now = self._monotonic()
        seconds = max(now - self._at, 0.001)
        self._before, self._at = recorded, now
        if not under_way and not any(added.values()):
            return None
        return {**added, "under_way": under_way, "rate": round(sum(added.values()) / seconds, 1)}


_progress = Progress()


@heartbeat_sent.connect
def _send_progress(sender: Any, **_: Any) -> None:
    if process.calls is None:
        return
    counts = process.calls.counts()
    fields = _progress.since_last(counts.recorded, counts.under_way)
    if fields is not None:
        sender.eventer.send(EVENT, **fields)
