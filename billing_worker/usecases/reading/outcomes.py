"""The outcomes of the last day, beside those of the week before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.outcome_counts import HOUR, OutcomeCount, declined_share, hour_of
from billing_worker.domain.shares import Share
from billing_worker.ports.review import ReviewRecords

DAY, WEEK = 24 * HOUR, 7 * 24 * HOUR


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of one kind of tries at one PG."""

    pg: str
    kind: str
    day: Sequence[OutcomeCount]
    """The running hour, and the 24 before it."""
    week: Sequence[OutcomeCount]
    """The seven days before that."""

    @property
    def shares(self) -> tuple[Share, Share]:
        """The shares of declines of the day and of the week."""
        return declined_share(self.day), declined_share(self.week)


def count_of(counts: Sequence[OutcomeCount], outcome: AttemptStatus) -> int:
    """The number of attempts with this outcome."""
    return sum(each.count for each in counts if each.outcome == outcome)


def outcomes(uow: ReviewRecords, now: datetime) -> Sequence[Outcomes]:
    """One line for each PG and kind that had an outcome since then. `now` is billing time."""
    today = hour_of(now) - DAY
    day = uow.books.hourly.sums(today, hour_of(now) + HOUR)
    week = uow.books.hourly.sums(today - WEEK, today)
    return [
        Outcomes(
            pg,
            kind,
            [each for each in day if (each.pg, each.kind) == (pg, kind)],
            [each for each in week if (each.pg, each.kind) == (pg, kind)],
        )
        for pg, kind in sorted({(each.pg, each.kind) for each in (*day, *week)})
    ]
