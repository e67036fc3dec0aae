"""When to try again after a decline, and when to stop."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.errors import InvalidInput

DEFAULT_RETRY_DAYS = (1, 3, 5, 7)
LONGEST_RETRY_DAYS = 60
MOST_RETRIES = 15
"""Visa allows 15 attempts in 30 days for one payment."""


@dataclass(frozen=True, slots=True)
class DunningPolicy:
    """Days to wait after the first, second, … decline of an invoice; after the last retry it is given up.

    Each number counts from the decline before it: (1, 3, 5, 7) tries on day 0, 1, 4, 9 and 16.
    The index is the number of *declines*, never of attempts: an outage or an unknown answer uses up nothing.
    """

    retry_days: tuple[int, ...] = DEFAULT_RETRY_DAYS

    def __post_init__(self) -> None:
        if len(self.retry_days) > MOST_RETRIES:
            raise InvalidInput("dunning_days", list(self.retry_days), f"at most {MOST_RETRIES} retries are allowed")
        for days in self.retry_days:
            if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_RETRY_DAYS:
                raise InvalidInput("dunning_days", days, f"each wait is 1 to {LONGEST_RETRY_DAYS} whole days")

    def next_retry(self, declines: int, declined_at: datetime) -> datetime | None:
        """When to try again after this many declines; None when the policy is used up."""
        if declines > len(self.retry_days):
            return None
        return declined_at + timedelta(days=self.retry_days[declines - 1])

    def end(self, declines: int, declined_at: datetime) -> datetime:
        """When the policy would be used up if every retry that is left were declined."""
        return declined_at + timedelta(days=sum(self.retry_days[declines - 1 :]))
