"""One instant on both clocks, as one value, so that the clocks cannot be confused.

A use case reads it once in a transaction, after its lock, and passes it on. So all its rows have the same time, and a
transaction that waited for the lock never writes an older time than the one before.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """The time on both clocks at one instant. Both are aware UTC, and equal unless a time machine is set."""

    billing: datetime
    """Billing time: periods, dunning dates, and the times in the books. A time machine moves it."""
    real: datetime
    """Real time: leases, deadlines, looks, and waits between tries, which wait for machines. It always runs at real
    speed."""
