"""By which way a subscription's next period is collected, and what is registered at PortOne, in words."""

from billing_worker.domain.schedule import AHEAD, Collection, ScheduleStatus
from billing_worker.domain.subscription import RENEWING, Subscription
from billing_worker.ports.storage import UnitOfWork
from billing_worker.texts.words import Words

_SAID = {
    ScheduleStatus.REGISTERING: "registering",
    ScheduleStatus.REGISTERED: "registered",
    ScheduleStatus.REVOKING: "revoking",
    ScheduleStatus.EXECUTED: "executed",
}
"""A schedule in another state does not charge."""

_WITH_REASON = ("revoking", "none")


def way_of(uow: UnitOfWork, subscription: Subscription, words: Words) -> str:
    """A sentence about its next period; empty where a worker charges it and nothing is at PortOne."""
    if subscription.status not in RENEWING and not uow.schedules.live_of_subscription(subscription.id):
        return ""
    found = uow.schedules.of_periods([(subscription.id, subscription.next_period_index)])
    last = found[-1] if found else None
    if last is None:
        if subscription.collection is Collection.WORKER:
            return ""
        return words.say("why.way.not_registered", days=AHEAD.days)
    name = _SAID.get(last.status, "none")
    because = "_because" if last.note and name in _WITH_REASON else ""
    return words.say(
        f"why.way.{name}{because}",
        day=words.day(last.schedule_at),
        order=last.merchant_uid,
        status=words.of(last.status),
        reason=words.reason(last.note),
    )
