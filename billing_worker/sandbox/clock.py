"""Two clocks: the real one, for tokens, latencies and deliveries, and the virtual one, for everything in the books.

Without a time machine both show the same.
"""

import math
import re
import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

FORM = re.compile(r"^(?P<start>\S+)\s+x(?P<speed>\d+(?:\.\d+)?)\s+@(?P<anchor>\S+)(?:\s+until\s+(?P<until>\S+))?$")
"""An `until`, at which the merchant's clock stops, is ignored: the gateway's planned events still happen. In a file it
counts: the owner of the file makes time wait there, and go on."""

LOOK_AGAIN = 0.02
"""Real seconds until a clock that may be made to wait is looked at again."""

IN_A_FILE = "file:"
"""The start of a text that names a file, which holds a time machine and may change at any time."""


@dataclass(frozen=True, slots=True)
class TimeMachine:
    """A clock that showed `start` at the real instant `anchor` and has run `speed` times as fast since then."""

    start: float
    speed: float
    anchor: float
    until: float = math.inf
    file: Path | None = None
    """The file that this was read from, and is read from again."""

    @classmethod
    def parse(cls, text: str) -> "TimeMachine":
        """Read `<start> x<speed> @<real instant>` or `file:PATH`; a ValueError names the problem."""
        if text.startswith(IN_A_FILE):
            return cls.read(Path(text.removeprefix(IN_A_FILE)))
        return replace(cls._parse(text), until=math.inf)

    @classmethod
    def read(cls, file: Path) -> "TimeMachine":
        """Read the time machine in a file; a ValueError names the problem."""
        try:
            return replace(cls._parse(file.read_text(encoding="utf-8")), file=file)
        except OSError as problem:
            raise ValueError(f"{file} cannot be read: {problem.strerror}") from problem

    @classmethod
    def _parse(cls, text: str) -> "TimeMachine":
        found = FORM.match(text.strip())
        if found is None:
            raise ValueError(f"a time machine is '<start> x<speed> @<real instant>', not {text!r}")
        start, anchor = (_instant(found[part]) for part in ("start", "anchor"))
        speed = float(found["speed"])
        if speed <= 0:
            raise ValueError("a time machine's speed must be above 0")
        until = _instant(found["until"]) if found["until"] else math.inf
        return cls(start, speed, anchor, until)


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
        machine = self._machine if self._machine.file is None else TimeMachine.read(self._machine.file)
        return min(machine.start + (time.time() - machine.anchor) * machine.speed, machine.until)

    def now(self) -> int:
        """Return the time for the fields of a payment: whole virtual unix seconds."""
        return int(self.virtual())

    def real_seconds_until(self, moment: float) -> float:
        """Return the real wait until the virtual clock shows `moment`; never negative. A held clock never does.

        A clock that its file makes to wait shows it later: look again then.
        """
        if self._held is not None:
            return 0.0 if moment <= self._held else math.inf
        wait = (moment - self.virtual()) / self.speed
        return max(0.0 if self._machine is None or self._machine.file is None else LOOK_AGAIN, wait)
