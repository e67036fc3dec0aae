"""Hourly totals of outcomes and of times, exact over all processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from billing_worker.domain.call_kind import CallKind
from billing_worker.domain.outcome_counts import OutcomeCount


class Measure(StrEnum):
    """What is counted."""

    CHARGE = "charge"
    """Outcomes of attempts, by PG, kind and outcome. They have no time."""
    CALL = "call"
    """Real time from a charge's call to its answer, by PG."""
    REQUEST = "request"
    """Real time of each other call, by its kind."""
    WAIT = "wait"
    """Billing time from the date at which an invoice was due to its attempt, by PG."""
    NOTIFICATION = "notification"
    """Real time from the arrival of a notification to its application, by source."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A count of all time."""

    measure: str
    subject: str
    """A PG, the source of notifications, or the kind of a call."""
    kind: str
    outcome: str
    bucket: int
    """The number of its bound in `latency.BOUNDS_MS`; -1 for a charge."""
    counted: int
    total_ms: int


@dataclass(frozen=True, slots=True)
class Timed:
    """Calls of one kind whose times lie in one bucket."""

    kind: CallKind
    bucket: int
    counted: int
    total_ms: int


class CallTimes(Protocol):
    """The times of this process's calls that were not written yet."""

    def take(self) -> Sequence[Timed]:
        """All calls since the last time; they are the caller's to write."""

    def give_back(self, timed: Sequence[Timed]) -> None:
        """Keep these for the next time: they were not written."""


@runtime_checkable
class TimesCalls(Protocol):
    """Times its calls."""

    @property
    def times(self) -> CallTimes:
        """Those of the running process: ask each time, since a process may fork."""


class Hourly(Protocol):
    """Hourly totals. The sum of what is folded and what is not is exact at any moment."""

    def all_time(self) -> Sequence[Counted]:
        """Everything counted, since the first charge. Its cost does not grow with the number of attempts."""

    def outcomes(self, since: datetime, kind: str) -> Sequence[OutcomeCount]:
        """Outcomes of one kind of tries in each hour from `since` on, which is billing time."""

    def sums(self, since: datetime, until: datetime) -> Sequence[OutcomeCount]:
        """Outcomes of all hours from `since` to `until` (exclusive), as if in one. Both are billing time."""

    def add_calls(self, timed: Sequence[Timed]) -> None:
        """Count these calls."""

    def fold(self, most: int) -> int:
        """Add at most so many differences of statements to the totals; returns to how many rows. No sum changes."""

    def forget(self, before: datetime) -> int:
        """Delete the totals of hours before this (billing time), and keep them in those of all time."""
