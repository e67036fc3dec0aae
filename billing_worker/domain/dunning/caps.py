"""How often card networks let a merchant try a card that declines: rolling caps over everything that uses the card.

Visa allows 20 tries of a declined card in 30 days, Mastercard 10 in 24 hours and 35 in 30 days (peers.md, row 35).
PortOne does not tell the network of a billing key, so the strictest of them hold for each card.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many declined tries of one card within a rolling window."""

    tries: int
    window: timedelta


CAPS = (Cap(10, timedelta(hours=24)), Cap(20, timedelta(days=30)))
REMEMBERED = max(cap.tries for cap in CAPS)
"""How many declines of a card must be known to keep every cap."""


def free_from(declines: Sequence[datetime], at: datetime) -> datetime:
    """The first moment at or after `at` at which the caps allow a try of a card with these declines, oldest first."""
    for cap in CAPS:
        if len(declines) >= cap.tries:
            at = max(at, declines[-cap.tries] + cap.window)
    return at


def remember(declines: Sequence[datetime], declined_at: datetime) -> tuple[datetime, ...]:
    """The declines of a card that still matter, with one more: oldest first."""
    return tuple(sorted((*declines, declined_at)))[-REMEMBERED:]
