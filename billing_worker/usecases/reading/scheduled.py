"""By which way a subscription's next period is collected, and what is registered at PortOne, in words."""

from collections.abc import Callable
from datetime import datetime

from billing_worker.domain.schedule import AHEAD, Collection, ScheduleStatus
from billing_worker.domain.subscription import RENEWING, Subscription
from billing_worker.ports.storage import UnitOfWork


def way_of(uow: UnitOfWork, subscription: Subscription, day: Callable[[datetime], str]) -> str:
    """A sentence about its next period; empty where a worker charges it and nothing is at PortOne."""
    if subscription.status not in RENEWING and not uow.schedules.live_of_subscription(subscription.id):
        return ""
    found = uow.schedules.of_periods([(subscription.id, subscription.next_period_index)])
    last = found[-1] if found else None
    if last is None:
        if subscription.collection is Collection.WORKER:
            return ""
        return f" Its next period is not registered at PortOne yet: that happens {AHEAD.days} days before it begins."
    order, when = f"order {last.merchant_uid}", day(last.schedule_at)
    because = f": {last.note}" if last.note else ""
    not_there = f"Nothing is registered at PortOne for {when} ({order} is {last.status}{because}); a worker charges it."
    said = {
        ScheduleStatus.REGISTERING: f"Its next period is being registered at PortOne for {when} ({order}).",
        ScheduleStatus.REGISTERED: f"PortOne charges its next period on {when} ({order}), and tells us by a webhook.",
        ScheduleStatus.REVOKING: f"What is registered at PortOne for {when} ({order}) is being revoked{because}.",
        ScheduleStatus.EXECUTED: f"PortOne ran the schedule of its next period ({order}).",
    }
    return f" {said.get(last.status, not_there)}"
