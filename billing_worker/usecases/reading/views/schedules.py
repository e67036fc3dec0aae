"""The view of a schedule at PortOne."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.schedule import Schedule, ScheduleStatus
from billing_worker.usecases.reading.views.fields import (
    CURRENCY,
    KEY_ID,
    SUBSCRIPTION_ID,
    described,
    minor,
    view_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleView:
    """A charge that PortOne makes by itself at the start of one period."""

    id: str = field(metadata=described(example="sch_0123456789abcdef"))
    subscription_id: str = field(metadata=SUBSCRIPTION_ID)
    billing_key_id: str = field(metadata=KEY_ID)
    period_index: int
    merchant_uid: str = field(metadata=described("The order number at PortOne, and of the period's invoice"))
    amount: int = field(metadata=minor())
    currency: str = field(metadata=CURRENCY)
    schedule_at: datetime = field(metadata=described("When PortOne charges"))
    status: ScheduleStatus
    note: str | None = field(metadata=described("Why it is revoked, or what PortOne said last"))
    created_at: datetime
    closed_at: datetime | None


def of_schedule(schedule: Schedule) -> ScheduleView:
    """The view of a schedule."""
    return view_of(ScheduleView, schedule, amount=schedule.money.amount, currency=schedule.money.currency)
