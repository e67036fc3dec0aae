"""Preview of late periods: counts, sums, and customers who would pay twice in a week. It only reads, without locks."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from billing_worker.domain.calendar import BillingCalendar, CronCalendar
from billing_worker.domain.catch_up import LATE_AFTER, CatchUpMode, decide, decision_of
from billing_worker.domain.money import Money
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.control import Chosen

WEEK = timedelta(days=7)
SHOWN = 10
"""The number of named customers; the others are only counted."""

WHOLE = 1_000_000
"""More periods than any outage has: the preview counts all at once, while a worker takes them in parts."""

REMEMBERED = 10_000
"""Cached dates of cron calendars, which are slow and shared by many subscriptions."""


@dataclass(slots=True)
class PlanBacklog:
    """The late subscriptions of one plan, and the decision on their periods. Money is periods times the plan's price.

    `on_hold` of them already wait for an operator; workers have not reached the others yet.
    """

    plan_id: str
    name: str
    mode: CatchUpMode
    max_age: int | None
    price: Money
    oldest_due: datetime
    subscriptions: int = 0
    on_hold: int = 0
    bill: int = 0
    waive: int = 0
    ask: int = 0

    @property
    def periods(self) -> int:
        """All begun periods."""
        return self.bill + self.waive + self.ask

    def sum(self, periods: int) -> Money:
        """The price of this many periods."""
        return Money(periods * self.price.amount, self.price.currency)


@dataclass(slots=True)
class PaysTwice:
    """A customer who would be charged more than once within the seven days from now."""

    customer: str
    payments: int = 0
    late: int = 0
    """The number of charges for late periods."""
    sums: Counter[str] = field(default_factory=Counter)
    """Minor units, by currency."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of a decision now."""

    at: datetime
    plans: Sequence[PlanBacklog]
    paying_twice: int
    paying_twice_first: Sequence[PaysTwice]


def preview(ports: Ports, chosen: Chosen, mode: str | None = None) -> Preview:
    """Late subscriptions by plan; with `mode`, as if an operator had decided it for all of them.

    Charges counted for a week: the late periods that are billed, and the regular ones that the same subscriptions
    begin within seven days. Raises InvalidInput or NotFound.
    """
    decided = None if mode is None else decision_of(mode)
    with ports.database.transaction() as uow:
        now = ports.clock.moment().billing
        reading = _Reading(now, decided)
        if chosen.plan_id is not None:
            uow.plans.get(chosen.plan_id)
        if chosen.subscription_id is not None:
            uow.subscriptions.get(chosen.subscription_id)
        with closing(uow.catch_up.late(now - LATE_AFTER, chosen)) as late:
            for subscription in late:
                reading.take(subscription, uow.plans.get)
    twice = sorted(
        (each for each in reading.customers.values() if each.payments > 1),
        key=lambda each: (-each.payments, each.customer),
    )
    plans = sorted(reading.plans.values(), key=lambda each: (each.price.currency, each.oldest_due, each.plan_id))
    return Preview(now, plans, len(twice), twice[:SHOWN])


class _Reading:
    """Sums over subscriptions, one at a time."""

    def __init__(self, now: datetime, decided: CatchUpMode | None) -> None:
        self._now, self._decided = now, decided
        self._known: dict[str, Plan] = {}
        self._decide = lru_cache(REMEMBERED)(decide)
        self._begun = lru_cache(REMEMBERED)(_begun)
        self.plans: dict[str, PlanBacklog] = {}
        self.customers: dict[str, PaysTwice] = {}

    def take(self, subscription: Subscription, plan_of: Callable[[str], Plan]) -> None:
        """Count one subscription."""
        plan = self._known.get(subscription.plan_id)
        if plan is None:
            plan = self._known[subscription.plan_id] = plan_of(subscription.plan_id)
        if self._decided is not None:
            subscription.catch_up_mode, subscription.catch_up_until = self._decided, self._now
            subscription.held_since = None
        policy, at = subscription.ruled_by(plan.catch_up, self._now)
        where, cron = _dates(subscription, plan), isinstance(plan.calendar, CronCalendar)
        backlog = (self._decide if cron else decide)(policy, *where, at=at, most=WHOLE)
        line = self.plans.get(plan.id)
        if line is None:
            mode, start = self._decided or plan.catch_up.mode, subscription.next_period_start
            line = PlanBacklog(plan.id, plan.name, mode, plan.catch_up.max_age, plan.money, start)
            self.plans[plan.id] = line
        held = subscription.held_since is not None
        line.subscriptions += 1
        line.on_hold += held
        if held:
            line.ask += backlog.waive + backlog.bill + backlog.ask
            return
        line.bill += backlog.bill
        line.waive += backlog.waive
        line.ask += backlog.ask
        if backlog.bill:
            begun = self._begun if cron else _begun
            regular = begun(*where, self._now + WEEK) - begun(*where, self._now)
            customer = self.customers.setdefault(subscription.customer, PaysTwice(subscription.customer))
            customer.late += backlog.bill
            customer.payments += backlog.bill + regular
            customer.sums[plan.money.currency] += (backlog.bill + regular) * plan.money.amount


def _dates(subscription: Subscription, plan: Plan) -> tuple[BillingCalendar, datetime, int, datetime]:
    """The cache key of its dates. A cron calendar needs only the next start, which many subscriptions share."""
    start = subscription.next_period_start
    if isinstance(plan.calendar, CronCalendar):
        return plan.calendar, start, 0, start
    return plan.calendar, subscription.anchor, subscription.counted(subscription.next_period_index), start


def _begun(calendar: BillingCalendar, anchor: datetime, index: int, start: datetime, until: datetime) -> int:
    return calendar.begun(anchor, index, start, until, WHOLE)
