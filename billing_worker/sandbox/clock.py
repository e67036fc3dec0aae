"""Two clocks: the real one, for tokens, latencies and deliveries, and the virtual one, for everything in the books.

Without a time machine both show the same.
"""

import math
import re
import time
from dataclasses import dataclass
from datetime import datetime

FORM = re.compile(r"^(?P<start>\S+)\s+x(?P<speed>\d+(?:\.\d+)?)\s+@(?P<anchor>\S+)(?:\s+until\s+\S+)?$")
"""An `until`, at which the merchant's clock stops, is ignored: the gateway's planned events still happen."""


@dataclass(frozen=True, slots=True)
class TimeMachine:
    """A clock that showed `start` at the real instant `anchor` and has run `speed` times as fast since then."""

    start: float
    speed: float
    anchor: float

    @classmethod
    def parse(cls, text: str) -> "TimeMachine":
        """Read `2026-01-01T00:00:00+09:00 x86400 @2026-11-21T08:41:00Z`; a ValueError names the problem."""
        found = FORM.match(text.strip())
        if found is None:
            raise ValueError(f"a time machine is '<start> x<speed> @<real instant>', not {text!r}")
        start, anchor = (_instant(found[part]) for part in ("start", "anchor"))
        speed = float(found["speed"])
        if speed <= 0:
            raise ValueError("a time machine's speed must be above 0")
        return cls(start, speed, anchor)


def _instant(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} needs a UTC offset, such as Z or +09:00")
    return moment.timestamp()


class Clock:
    """Shows both times, and converts a wait in one into a wait in the other."""

    def __init__(self, machine: TimeMachine | None = None) -> None:
        self._machine = machine
        self._held: float | None = None

    def hold(self, moment: float) -> None:
        """Let the virtual clock show this moment until it is held at a later one; a ValueError if it would go back."""
        if self._held is not None and moment < self._held:
            raise ValueError(f"the clock is held at {self._held:.0f} and does not go back to {moment:.0f}")
        self._held = moment

    @property
    def speed(self) -> float:
        """Virtual seconds per real second."""
        return self._machine.speed if self._machine else 1.0

    def real(self) -> float:
        """Return real unix seconds."""
        return time.time()

    def virtual(self) -> float:
        """Return virtual unix seconds."""
        if self._held is not None:
            return self._held
        if self._machine is None:
            return time.time()
        return self._machine.start + (time.time() - self._machine.anchor) * self._machine.speed

    def now(self) -> int:
        """Return the time for the fields of a payment: whole virtual unix seconds."""
        return int(self.virtual())

    def real_seconds_until(self, moment: float) -> float:
        """Return the real wait until the virtual clock shows `moment`; never negative. A held clock never does."""
        if self._held is not None:
            return 0.0 if moment <= self._held else math.inf
        return max(0.0, (moment - self.virtual()) / self.speed)
