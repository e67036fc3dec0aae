"""A clock that starts anywhere and runs faster than real time, the same for every process that shares the setting."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from billing_worker.domain.errors import SettingsInvalid

FASTEST = 10_000_000
"""Above this, a second of real time is more than a third of a year."""

_FORM = re.compile(r"(?P<start>\S+)\s+x(?P<rate>\d+(?:\.\d+)?)\s+@(?P<origin>\S+)")


@dataclass(frozen=True, slots=True)
class TimeMachine:
    """At the real instant `origin` the clock shows `start`; from then on it runs `rate` times as fast."""

    start: datetime
    rate: float
    origin: datetime

    @classmethod
    def parse(cls, text: str) -> "TimeMachine":
        """Read `START xRATE @ORIGIN`. Raises SettingsInvalid with an example of the form."""
        found = _FORM.fullmatch(text.strip())
        try:
            start = datetime.fromisoformat(found["start"]) if found else None
            origin = datetime.fromisoformat(found["origin"]) if found else None
        except ValueError:
            start = origin = None
        rate = float(found["rate"]) if found else 0.0
        if start is None or start.tzinfo is None or origin is None or origin.tzinfo is None or not 0 < rate <= FASTEST:
            form = "START xRATE @ORIGIN, both times with a zone"
            example = "2026-01-01T00:00:00+09:00 x86400 @2026-11-21T08:41:00Z"
            raise SettingsInvalid(f"BILLING_TIME_MACHINE: must be {form}, e.g. {example!r} (got {text!r})")
        return cls(start.astimezone(UTC), rate, origin.astimezone(UTC))

    def shows(self, real: datetime) -> datetime:
        """What the clock shows at a real instant."""
        return self.start + timedelta(seconds=(real - self.origin).total_seconds() * self.rate)

    def reached_at(self, shown: datetime) -> datetime:
        """The real instant at which the clock shows this time."""
        return self.origin + timedelta(seconds=(shown - self.start).total_seconds() / self.rate)

    def __str__(self) -> str:
        return f"{self.start.isoformat()} x{self.rate:g} @{self.origin.isoformat()}"
