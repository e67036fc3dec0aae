"""Comparing both books: which span of time comes next.

A span stays open until it has been read as a whole, and the next one begins before its end. So no failure, however
long, skips a payment.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from billing_worker.domain.moment import Moment

OVERLAP = timedelta(hours=1)
"""The overlap of two spans. It is longer than the clocks of two companies differ, than a charge stays in flight, and
than the gateway's list lags behind its books."""

SLICE = timedelta(days=1)
"""After an outage, the missed time is read in slices of this length. The gateway allows 90 days, but a slice that fails
is read again as a whole."""

FIRST_LOOK_BACK = timedelta(days=3)
"""A fresh database looks back this far: far enough for charges that were under way when it was restored."""

LONGEST_LOOK_BACK = timedelta(days=3650)
"""A longer look back is a mistyped year."""

LAST_LOOK = timedelta(hours=2)
"""Each date of a schedule at PortOne is compared once more so long before it comes: time enough to revoke it."""

RETRY_FIRST = timedelta(seconds=10)
RETRY_LONGEST = timedelta(minutes=5)


Span = tuple[datetime, datetime]


class ComparisonStatus(StrEnum):
    """The state of the comparison of one span."""

    OPEN = "open"
    """Not read as a whole yet."""
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
    """The end of its lease; after a failure, the time of the next try."""
    tries: int = 0
    """The number of times it was taken. A worker that was overtaken sees a higher number, and writes nothing more."""
    payments: int = 0
    others: int = 0
    """Payments of the same merchant that do not concern this worker: those of their shop or of another environment."""
    booked: int = 0
    alerted: int = 0
    finished_at: datetime | None = None
    note: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether it has grown to the length of a slice."""
        return self.ends_at - self.starts_at >= OVERLAP + SLICE

    def schedule_dates(self, now: datetime) -> Span | None:
        """The dates of schedules that are compared with this span: those that come `LAST_LOOK` after it; None: all.

        All are compared once a day, by the span in which the day (UTC) begins. Spans follow one another, so none is
        skipped. A span that is read late is not the last one, and leaves all to a later one.
        """
        begin = self.starts_at + OVERLAP
        turns = begin.astimezone(UTC).date() < self.ends_at.astimezone(UTC).date()
        if turns and now - self.ends_at < OVERLAP:
            return None
        return begin + LAST_LOOK, self.ends_at + LAST_LOOK

    def take(self, real_now: datetime, lease: timedelta) -> bool:
        """Begin to read it; False when it is done or another worker is reading it."""
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
        """Note that it could not be read as a whole; it is tried again later."""
        self.status = ComparisonStatus.OPEN
        self.note = reason
        self.next_try_at = real_now + min(RETRY_FIRST * 2 ** min(self.tries - 1, 20), RETRY_LONGEST)

    def finish(self, real_now: datetime) -> None:
        """Note that it was read as a whole."""
        self.status = ComparisonStatus.DONE
        self.note = None
        self.finished_at = real_now

    def widen(self, now: datetime) -> None:
        """Extend a failed span up to now, so that an outage leaves few spans behind."""
        self.ends_at = max(self.ends_at, min(now, self.starts_at + OVERLAP + SLICE))


def next_span(last: Comparison | None, moment: Moment, interval: timedelta) -> Span | None:
    """The span to compare next; None while there is none.

    Spans follow one another, but a full slice that keeps failing does not block the next. While full slices remain, the
    next one follows at once.
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
