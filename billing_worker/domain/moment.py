"""One instant on both clocks, as one value: nobody can take one clock for the other.

A use case reads it once in a transaction, after its lock, and hands it on. So all that it writes has the same time,
and nothing that waited for the lock looks older than what it waited for.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """What both clocks show at one instant. Both are aware UTC, and equal unless a time machine is set."""

    billing: datetime
    """Billing time: periods, dunning dates, and what the books say about when. A time machine moves it."""
    real: datetime
    """Real time: leases, deadlines, looks, and waits between tries, which wait for machines. Nothing moves it."""
