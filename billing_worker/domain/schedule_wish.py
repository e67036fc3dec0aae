"""Whether a schedule at PortOne still is what its subscription wants."""

from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.money import Money
from billing_worker.domain.schedule import AHEAD, LEAST_LEAD, Collection, Schedule
from billing_worker.domain.subscription import RENEWING, Subscription


@dataclass(frozen=True, slots=True)
class Wish:
    """What decides whether the next period of a subscription is to be charged by PortOne's schedule."""

    subscription: Subscription
    key: BillingKey
    money: Money
    stopped: str | None = None
    """The scope of a stop that holds its charges, unless the stop only waits for the gateway."""

    def against(self) -> str | None:
        """Why its next period is not to be at PortOne; None if it is."""
        subscription = self.subscription
        collection = subscription.collection
        reasons = (
            (collection is not Collection.PORTONE_SCHEDULE, f"the subscription is collected by {collection}"),
            (subscription.status not in RENEWING, f"the subscription is {subscription.status}"),
            (subscription.cancel_at_period_end, "the subscription ends with its current period"),
            (subscription.held_since is not None, "its late periods wait for a decision"),
            (self.key.status is not KeyStatus.ACTIVE, f"billing key {self.key.id} is {self.key.status}"),
            (
                self.key.undecided_issue(subscription.id) is not None,
                "the payment that issued its key may pay the period",
            ),
            (self.stopped is not None, f"charging is stopped ({self.stopped})"),
        )
        return next((reason for holds, reason in reasons if holds), None)

    def may_register(self, now: datetime) -> bool:
        """Whether its next period is to be registered now: it is near, but not too near."""
        is_near = now + LEAST_LEAD <= self.subscription.next_period_start <= now + AHEAD
        return is_near and not self.subscription.is_scheduled and self.against() is None

    def against_schedule(self, schedule: Schedule) -> str | None:
        """Why this schedule, of a period that has not been opened, is not wanted (any more); None if it is."""
        reason = self.against()
        if reason is not None:
            return reason
        subscription = self.subscription
        if schedule.period_index < subscription.next_period_index:
            return "its period is waived"
        # The date of a later one, which was registered before the customer moved in, is compared when it is next.
        is_next = schedule.period_index == subscription.next_period_index
        if is_next and schedule.schedule_at != subscription.next_period_start:
            return f"the period begins at {subscription.next_period_start:%Y-%m-%dT%H:%MZ}"
        if schedule.billing_key_id != self.key.id:
            return f"the subscription is charged on billing key {self.key.id}"
        if schedule.money != self.money:
            return f"the price is {self.money}"
        return None
