"""How sure a share is: 95 % intervals for one share, and for the difference of two."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

Z = 1.959964
"""Of 95 %, both sides."""
FEWEST = 30
"""Below so many cases on either side, no difference is called one."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share; 0 of nothing."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval (1927); everything is possible where there are no cases."""
        if not self.total:
            return 0.0, 1.0
        share, square = self.value, Z * Z / self.total
        middle = (share + square / 2) / (1 + square)
        half = Z * sqrt(share * (1 - share) / self.total + square / (4 * self.total)) / (1 + square)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one share has more than another, as shares of one."""

    value: float
    low: float
    high: float
    fewest: int
    """The smaller number of cases."""

    @property
    def is_one(self) -> bool:
        """Whether the interval excludes zero, and both sides have enough cases."""
        return self.fewest >= FEWEST and (self.low > 0 or self.high < 0)


def difference(one: Share, other: Share) -> Difference:
    """What `one` has more than `other`, for two separate groups: Newcombe's interval (1998)."""
    (low, high), (other_low, other_high) = one.interval, other.interval
    value = one.value - other.value
    below = sqrt((one.value - low) ** 2 + (other_high - other.value) ** 2)
    above = sqrt((high - one.value) ** 2 + (other.value - other_low) ** 2)
    return Difference(value, value - below, value + above, min(one.total, other.total))


def paired(one: Sequence[bool], other: Sequence[bool]) -> Difference:
    """What `one` has more than `other`, where both were tried on the same cases, in the same order."""
    count = len(one)
    if count == 0:
        return Difference(0.0, -1.0, 1.0, 0)
    gained = sum(first and not second for first, second in zip(one, other, strict=True))
    lost = sum(second and not first for first, second in zip(one, other, strict=True))
    value = (gained - lost) / count
    half = Z * sqrt(max(gained + lost - (gained - lost) ** 2 / count, 0.0)) / count
    return Difference(value, value - half, value + half, count)
