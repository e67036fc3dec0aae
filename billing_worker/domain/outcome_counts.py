"""How many attempts ended in which way, hour by hour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.shares import Share

FOUND = "found"
"""The kind of an attempt whose payment the gateway showed first: not charged by this worker."""

KEPT_FOR = timedelta(days=14)
"""Billing time for which each hour is kept apart; the totals of all time have it for ever."""

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """Outcomes of one kind, at one PG, within one hour.

    An outcome is counted when it is known. One that changes counts again: an unknown one that is paid counts as both.
    """

    hour: datetime
    """Billing time at which the hour begins, by UTC."""
    pg: str
    kind: str
    """A `TryKind`, or `FOUND`."""
    outcome: str
    """The status of the attempt: approved, declined, failed, unknown."""
    count: int


def hour_of(now: datetime) -> datetime:
    """When the hour of this moment began."""
    return now.replace(minute=0, second=0, microsecond=0)


def declined_share(counts: Iterable[OutcomeCount]) -> Share:
    """The share of declines among the attempts that a card company answered: approved or declined."""
    approved = declined = 0
    for each in counts:
        approved += each.count if each.outcome == AttemptStatus.APPROVED else 0
        declined += each.count if each.outcome == AttemptStatus.DECLINED else 0
    return Share(declined, approved + declined)
