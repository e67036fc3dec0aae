"""Charges that PortOne makes by itself, as use cases see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from billing_worker.domain.schedule import Schedule


class Schedules(Protocol):
    """Schedules at PortOne. The row of the subscription is their lock."""

    def get(self, schedule_id: str) -> Schedule:
        """The schedule. Raises NotFound."""

    def add_all(self, schedules: Sequence[Schedule]) -> None:
        """Store new schedules with one statement."""

    def save(self, schedule: Schedule) -> None:
        """Write the schedule back."""

    def with_merchant_uid(self, merchant_uid: str) -> Schedule | None:
        """The schedule with this order number."""

    def of_periods(self, periods: Sequence[tuple[str, int]]) -> Sequence[Schedule]:
        """All schedules of these periods (subscription id, index), each period's in the order of their generations."""

    def to_compare(self, start: datetime, end: datetime, merchant_uids: Sequence[str]) -> Sequence[Schedule]:
        """Schedules whose date lies in this span (half open), and those with these order numbers, in any state."""

    def ran_unopened(self, start: datetime, end: datetime, limit: int) -> Sequence[str]:
        """Ids of those that ran, whose date lies in this span (half open) and whose order no invoice has."""

    def live_of_subscription(self, subscription_id: str) -> Sequence[Schedule]:
        """Its schedules by which PortOne may still charge, earliest date first."""

    def unscheduled(self, after: datetime, until: datetime, limit: int) -> Sequence[str]:
        """Ids of subscriptions whose next period begins in this span and is to be registered, earliest first."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of live schedules whose next step is due, oldest first. Postpones the step to `lease_until`."""


class ScheduleRecords(Protocol):
    """The schedules in a transaction."""

    @property
    def schedules(self) -> Schedules:
        """Schedules at PortOne."""
