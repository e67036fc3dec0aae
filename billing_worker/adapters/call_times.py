"""The times of a process's calls, until they are written: no call waits for the database, or for another thread."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from billing_worker.domain.call_kind import CallKind
from billing_worker.domain.latency import bucket_of
from billing_worker.ports.hourly import Timed

Kept = TypeVar("Kept")

MOST_KEPT = 100_000
"""Calls that are kept where nothing writes them down: a few MB. Beyond, the oldest are dropped."""


class CallTimes:
    """Takes times from any thread. Not for use across a fork: a child would write its parent's times again."""

    def __init__(self) -> None:
        self._calls: deque[tuple[CallKind, int]] = deque(maxlen=MOST_KEPT)
        self._back: deque[Timed] = deque(maxlen=MOST_KEPT)

    def add(self, kind: CallKind, seconds: float) -> None:
        """Note one call. It takes no lock: a deque adds and gives in one step each."""
        self._calls.append((kind, max(0, int(seconds * 1000))))

    def take(self) -> Sequence[Timed]:
        """All calls since the last time, summed up; they are the caller's to write."""
        counts, sums = Counter[tuple[CallKind, int]](), Counter[tuple[CallKind, int]]()
        for kind, took in _taken(self._calls):
            place = kind, bucket_of(took)
            counts[place] += 1
            sums[place] += took
        for each in _taken(self._back):
            counts[each.kind, each.bucket] += each.counted
            sums[each.kind, each.bucket] += each.total_ms
        return [Timed(*place, count, sums[place]) for place, count in sorted(counts.items())]

    def give_back(self, timed: Sequence[Timed]) -> None:
        """Keep these for the next time: they were not written."""
        self._back.extend(timed)


def _taken(kept: deque[Kept]) -> Iterator[Kept]:
    """As many as there are now. Two threads that take get each one once."""
    with suppress(IndexError):
        for _ in range(len(kept)):
            yield kept.popleft()
