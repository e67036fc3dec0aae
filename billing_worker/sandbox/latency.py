"""The gateway's latency: lognormal, because payment latencies have a long right tail; seeded, to be repeatable."""

import math
import random
from dataclasses import dataclass

Z99 = 2.3263478740408408  # the 99th percentile of the standard normal distribution


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Median and 99th percentile in milliseconds."""

    p50: float
    p99: float

    @classmethod
    def parse(cls, text: str) -> "Quantiles":
        """Read `180,1500`; a ValueError names the problem."""
        try:
            p50, p99 = (float(part) for part in text.split(","))
        except ValueError:
            raise ValueError(f"a latency is 'p50,p99' in milliseconds, not {text!r}") from None
        if not 0 < p50 <= p99 < math.inf:
            raise ValueError("a latency needs 0 < p50 <= p99")
        return cls(p50, p99)


class Latency:
    """Draws waits in seconds. Without quantiles every wait is 0."""

    def __init__(self, quantiles: Quantiles | None, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable waits, not cryptography
        self.quantiles = quantiles

    def draw(self) -> float:
        """Return the next wait in seconds."""
        if self.quantiles is None:
            return 0.0
        median = math.log(self.quantiles.p50)
        sigma = (math.log(self.quantiles.p99) - median) / Z99
        return self._random.lognormvariate(median, sigma) / 1000

    def split(self) -> tuple[float, float]:
        """Return a wait in two parts: before and after the money moves.

        If a caller gives up in between, the charge may have happened or not: a test run needs both.
        """
        total = self.draw()
        before = total * self._random.random() if total else 0.0
        return before, total - before
