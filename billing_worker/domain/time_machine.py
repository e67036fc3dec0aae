"""A clock that starts anywhere and runs faster than real time, the same for every process that shares the setting."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from billing_worker.domain.errors import SettingsInvalid

FASTEST = 10_000_000
"""Above this, a second of real time is more than a third of a year."""

IN_A_FILE = "file:"
"""The start of a setting that names a file, which holds a time machine and may change at any time."""

_FORM = re.compile(r"(?P<start>\S+)\s+x(?P<rate>\d+(?:\.\d+)?)\s+@(?P<origin>\S+)(?:\s+until\s+(?P<until>\S+))?")


@dataclass(frozen=True, slots=True)
class TimeMachine:
    """At the real instant `origin` the clock shows `start`; from then on it runs `rate` times as fast.

    The clock stops when it shows `until`: nothing more becomes due, and work under way can end.
    """

    start: datetime
    rate: float
    origin: datetime
    until: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> "TimeMachine":
        """Read `START xRATE @ORIGIN [until END]`. Raises SettingsInvalid with an example of the form."""
        found = _FORM.fullmatch(text.strip())
        parts = found.groupdict() if found else {}
        try:
            times = {
                name: datetime.fromisoformat(parts[name]) for name in ("start", "origin", "until") if parts.get(name)
            }
        except ValueError:
            times = {}
        rate = float(parts.get("rate", 0))
        zoned = all(moment.tzinfo is not None for moment in times.values())
        if not {"start", "origin"} <= times.keys() or not zoned or not 0 < rate <= FASTEST:
            form = "START xRATE @ORIGIN, both times with a zone"
            example = "2026-01-01T00:00:00+09:00 x86400 @2026-11-21T08:41:00Z"
            raise SettingsInvalid(f"BILLING_TIME_MACHINE: must be {form}, e.g. {example!r} (got {text!r})")
        until = times["until"].astimezone(UTC) if "until" in times else None
        return cls(times["start"].astimezone(UTC), rate, times["origin"].astimezone(UTC), until)

    def shows(self, real: datetime) -> datetime:
        """What the clock shows at a real instant."""
        shown = self.start + timedelta(seconds=(real - self.origin).total_seconds() * self.rate)
        return shown if self.until is None else min(shown, self.until)

    def reached_at(self, shown: datetime) -> datetime:
        """The real instant at which the clock shows this time."""
        return self.origin + timedelta(seconds=(shown - self.start).total_seconds() / self.rate)

    def carried_on(self, real: datetime, until: datetime) -> "TimeMachine":
        """The same clock from a real instant on, with another end: where it stood still, it goes on from there."""
        return TimeMachine(self.shows(real), self.rate, real, until)

    def __str__(self) -> str:
        text = f"{self.start.isoformat()} x{self.rate:f} @{self.origin.isoformat()}"
        return text if self.until is None else f"{text} until {self.until.isoformat()}"
