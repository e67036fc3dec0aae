"""An outage of a server that a process needs, told once a minute instead of at each try."""

from collections.abc import Callable
from dataclasses import dataclass

TOLD_EVERY = 60.0
"""Seconds between two lines about a broker that is away."""


@dataclass(slots=True)
class Outage:
    """A broker that is away: one line when it goes, one a minute, and one when it is back. Monotonic seconds."""

    tell: Callable[..., object]
    """Writes one line: an event with its facts."""
    since: float | None = None
    told_at: float = 0.0
    lost: int = 0
    """Rings that could not be sent. Their work waits in the database for the next ring."""

    def failed(self, error: BaseException, now: float) -> None:
        """Note that the broker did not take a ring, or no connection."""
        if self.since is None:
            self.since, self.lost = now, 0
        elif now - self.told_at < TOLD_EVERY:
            return
        self.told_at = now
        reason = str(error.__cause__ or error).splitlines()[0][:LONGEST_REASON]
        self.tell("broker.away", seconds=round(now - self.since), rings_lost=self.lost, reason=reason)

    def lose(self, error: BaseException, now: float) -> None:
        """Note a ring that is lost."""
        self.failed(error, now)
        self.lost += 1

    def over(self, now: float) -> None:
        """Note that the broker took a ring."""
        if self.since is not None:
            self.tell("broker.back", seconds=round(now - self.since), rings_lost=self.lost)
            self.since = None


LONGEST_REASON = 200
