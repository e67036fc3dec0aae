"""Comparing both books: which span of time comes next.

A span that could not be read is read again: it stays open until it was seen as a whole, and the next one begins before
its end. So nothing is skipped, whatever fails and for however long.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing_worker.domain.moment import Moment

OVERLAP = timedelta(hours=1)
"""Each span begins this long before the last one's end: more than the clocks of two companies differ, than a charge
stays in flight, and than the gateway's list may lag behind its books."""

SLICE = timedelta(days=1)
"""After an outage the way back is read in pieces of this length: the gateway allows 90 days, but a piece that fails is
read again as a whole."""

FIRST_LOOK_BACK = timedelta(days=3)
"""A fresh database looks this far back: far enough for what was under way when it was restored or taken into use."""

LONGEST_LOOK_BACK = timedelta(days=3650)
"""An operator who asks for more has mistyped a year."""

RETRY_FIRST = timedelta(seconds=10)
RETRY_LONGEST = timedelta(minutes=5)


class ComparisonStatus(StrEnum):
    """Where the comparison of one span stands."""

    OPEN = "open"
    """To be read, for the first time or again."""
    RUNNING = "running"
    DONE = "done"


@dataclass(slots=True)
class Comparison:
    """One span of time over which both books are compared.

    `starts_at` and `ends_at` are billing time, as the gateway's timestamps are; the others are real time.
    """

    id: int
    starts_at: datetime
    ends_at: datetime
    status: ComparisonStatus
    created_at: datetime
    next_try_at: datetime
    """Leased until then; or, where it failed, to be tried again then."""
    tries: int = 0
    """Counts the workers that took it up: one that was overtaken knows by it, and writes nothing more."""
    payments: int = 0
    others: int = 0
    """Payments of the same merchant that are no affair of this worker: his shop's, another environment's."""
    booked: int = 0
    alerted: int = 0
    finished_at: datetime | None = None
    note: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether it has grown to the length of a slice."""
        return self.ends_at - self.starts_at >= OVERLAP + SLICE

    def take(self, real_now: datetime, lease: timedelta) -> bool:
        """Begin to read it; False where it is done or somebody is at it."""
        if self.status is ComparisonStatus.DONE:
            return False
        if self.status is ComparisonStatus.RUNNING and self.next_try_at > real_now:
            return False
        self.status = ComparisonStatus.RUNNING
        self.tries += 1
        self.payments = self.others = self.booked = self.alerted = 0
        self.next_try_at = real_now + lease
        return True

    def fail(self, reason: str, real_now: datetime) -> None:
        """It could not be read as a whole: again, in a while."""
        self.status = ComparisonStatus.OPEN
        self.note = reason
        self.next_try_at = real_now + min(RETRY_FIRST * 2 ** min(self.tries - 1, 20), RETRY_LONGEST)

    def finish(self, real_now: datetime) -> None:
        """It was read as a whole."""
        self.status = ComparisonStatus.DONE
        self.note = None
        self.finished_at = real_now

    def widen(self, now: datetime) -> None:
        """What fails while time goes on takes the time since then along, so that an outage leaves few spans behind."""
        self.ends_at = max(self.ends_at, min(now, self.starts_at + OVERLAP + SLICE))


Span = tuple[datetime, datetime]


def next_span(last: Comparison | None, moment: Moment, interval: timedelta) -> Span | None:
    """The span to compare next; None while there is none.

    One after the other, except that a full slice which fails again and again does not stand in the way of the next.
    While there are full slices to read, the next one follows at once.
    """
    now = moment.billing
    if last is None:
        return spans(now - FIRST_LOOK_BACK, now)[0]
    if last.status is not ComparisonStatus.DONE and not (last.is_full and last.note is not None):
        return None
    if now <= last.ends_at or (not last.is_full and moment.real < last.created_at + interval):
        return None
    return last.ends_at - OVERLAP, min(now, last.ends_at + SLICE)


def spans(start: datetime, now: datetime) -> list[Span]:
    """Everything from `start` to now, in slices that overlap."""
    found = []
    while start < now:
        end = min(now, start + OVERLAP + SLICE)
        found.append((start, end))
        if end == now:
            break
        start = end - OVERLAP
    return found
