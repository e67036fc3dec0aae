"""The dice: whether and how a step fails. Every fault is counted."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from random import Random

PAUSES = tuple(timedelta(microseconds=micros) for micros in (200, 400, 700, 1000, 1500, 2200, 3500, 9000))
"""The times of a step on a local network, from quick to slow."""

CALLS = tuple(timedelta(milliseconds=millis) for millis in (35, 60, 90, 130, 200, 320, 600, 2500))
"""The times of half a gateway call."""


class Chaos:
    """Seeded chance for all of one run."""

    def __init__(self, seed: int, rates: Mapping[str, float]) -> None:
        self.random = Random(f"chaos {seed}")  # noqa: S311 - chance that must be repeatable
        self.roll = self.random.random
        self.fired: Counter[str] = Counter()
        self._points: dict[str, tuple[float, tuple[tuple[float, str], ...]]] = {}
        for kind, rate in rates.items():
            point = kind.partition(".")[0]
            total, kinds = self._points.get(point, (0.0, ()))
            self._points[point] = (total + rate, (*kinds, (total + rate, kind)))

    def stop(self) -> None:
        """Stop all faults."""
        self._points.clear()

    def strikes(self, point: str) -> str | None:
        """The fault that this step meets, if any."""
        table = self._points.get(point)
        if table is None:
            return None
        roll = self.roll()
        total, kinds = table
        if roll >= total:
            return None
        kind = next(kind for limit, kind in kinds if roll < limit)
        self.fired[kind] += 1
        return kind

    def pause(self) -> timedelta:
        """The time of an ordinary step."""
        return PAUSES[int(self.roll() * 8)]

    def call(self) -> timedelta:
        """The time of half an ordinary gateway call."""
        return CALLS[int(self.roll() * 8)]

    def between(self, least: float, most: float) -> timedelta:
        """Seconds between two bounds, short ones more often: each doubling is equally likely."""
        return timedelta(seconds=float(least * (most / least) ** self.roll()))
