"""A customer on a plan, with a current period."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from billing_worker.domain.calendar import BillingCalendar, CronCalendar
from billing_worker.domain.catch_up import LATE_AFTER, Backlog, CatchUpMode, CatchUpPolicy, decide
from billing_worker.domain.errors import InvalidTransition
from billing_worker.domain.invoice import Period
from billing_worker.domain.labels import require_external_id, require_metadata
from billing_worker.domain.schedule import Collection
from billing_worker.domain.text import require_printable

LONGEST_CUSTOMER = 120

NEVER_SCHEDULED = -2
"""Below the number before any period: that one is left where the first period's schedule was taken back."""


class SubscriptionStatus(StrEnum):
    """The state of a subscription (Stripe's words)."""

    PENDING = "pending"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    PAUSED = "paused"
    UNPAID = "unpaid"
    CANCELED = "canceled"


_S = SubscriptionStatus
SUBSCRIPTION_TRANSITIONS: dict[SubscriptionStatus, frozenset[SubscriptionStatus]] = {
    _S.PENDING: frozenset({_S.ACTIVE, _S.PAST_DUE, _S.UNPAID, _S.CANCELED}),
    _S.TRIALING: frozenset({_S.ACTIVE, _S.PAST_DUE, _S.UNPAID, _S.CANCELED}),
    _S.ACTIVE: frozenset({_S.PAST_DUE, _S.PAUSED, _S.UNPAID, _S.CANCELED}),
    _S.PAST_DUE: frozenset({_S.ACTIVE, _S.UNPAID, _S.CANCELED}),
    _S.PAUSED: frozenset({_S.ACTIVE, _S.CANCELED}),
    # Past due: a new period begins on another card, and is not paid yet.
    _S.UNPAID: frozenset({_S.ACTIVE, _S.PAST_DUE, _S.CANCELED}),
    _S.CANCELED: frozenset(),
}

RENEWING = frozenset({_S.PENDING, _S.TRIALING, _S.ACTIVE, _S.PAST_DUE})
"""In these states a new period is opened when it is due. Paused and unpaid customers get no new invoices."""

COLLECTING = frozenset({_S.PENDING, _S.TRIALING, _S.ACTIVE, _S.PAST_DUE, _S.UNPAID})
"""In these states an open invoice may be charged."""

AWAITING_PAYMENT = frozenset({_S.PENDING, _S.TRIALING, _S.PAST_DUE, _S.UNPAID})
"""A paid period makes these active."""

GOOD_STANDING = frozenset({_S.PENDING, _S.TRIALING, _S.ACTIVE})
"""A decline makes these past due."""


@dataclass(slots=True)
class Subscription:
    """A customer on a plan. The next period to open starts at `next_period_start` (billing time, aware UTC)."""

    id: str
    plan_id: str
    billing_key_id: str
    customer: str
    status: SubscriptionStatus
    anchor: datetime
    next_period_index: int
    next_period_start: datetime
    created_at: datetime
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    lease_until: datetime | None = None
    held_since: datetime | None = None
    """Its periods are late, and no period is opened until an operator decides on them."""
    catch_up_mode: CatchUpMode | None = None
    catch_up_until: datetime | None = None
    """An operator decided for the periods that had begun at this time; the plan's policy applies to later ones."""
    external_id: str | None = None
    """The merchant's own id, unique among subscriptions."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    allow_duplicate: bool = False
    """The merchant wants it in addition to another live one of this customer on this plan."""
    collection: Collection = Collection.WORKER
    """By which way its coming periods are collected."""
    scheduled_index: int = NEVER_SCHEDULED
    """The last period for which a schedule at PortOne was written down, and not taken back since."""
    dunning_policy: str | None = None
    """The name of its own policy after a decline; None: that of its plan."""
    anchor_index: int = 0
    """The number of the period that begins at the anchor: a payment after dunning may move its dates."""
    paid_hour: int | None = None
    """The hour of day, Seoul time, of its last payment, if its policy asks for that."""

    def __post_init__(self) -> None:
        self.customer = self.customer.strip()
        require_printable("customer", self.customer, LONGEST_CUSTOMER)
        require_external_id(self.external_id)
        require_metadata(self.metadata)

    def move_to(self, status: SubscriptionStatus) -> None:
        """Change the status. Raises InvalidTransition for an edge that the table does not list."""
        if status not in SUBSCRIPTION_TRANSITIONS[self.status]:
            raise InvalidTransition("subscription", self.id, self.status, status)
        self.status = status

    def renews_at(self, now: datetime) -> bool:
        """Whether its next period is to be opened now."""
        return self.status in RENEWING and self.held_since is None and self.next_period_start <= now

    @property
    def is_scheduled(self) -> bool:
        """Whether a schedule was written down for its next period, whatever became of it."""
        return self.scheduled_index >= self.next_period_index

    def ruled_by(self, policy: CatchUpPolicy, now: datetime) -> tuple[CatchUpPolicy, datetime]:
        """The policy for its next period, and its time: an operator's decision, else the plan's policy now."""
        if self.catch_up_mode and self.catch_up_until and self.next_period_start <= self.catch_up_until:
            # As of the decision: the operator has not seen periods that began later.
            return CatchUpPolicy(self.catch_up_mode, None), self.catch_up_until
        if self.created_at > now - LATE_AFTER:
            # Its first period cannot be late: an old start only says when that period began.
            return CatchUpPolicy(CatchUpMode.BILL_ALL, None), now
        return policy, now

    def backlog(self, policy: CatchUpPolicy, calendar: BillingCalendar, now: datetime) -> Backlog:
        """Decide on its periods that have begun."""
        policy, at = self.ruled_by(policy, now)
        index = self.counted(self.next_period_index)
        return decide(policy, calendar, self.anchor, index, self.next_period_start, at=at)

    def counted(self, index: int) -> int:
        """How many periods after the anchor the period of this number begins."""
        return index - self.anchor_index

    def begin_again(self, calendar: BillingCalendar, now: datetime, *, paid: bool) -> int:
        """Count its periods from now on, and leave one number out; returns how many were left out.

        `paid`: the one that begins now is paid by an invoice that it has. Nothing changes if that one, by the days of
        short months, would end before it did.
        """
        self.held_since = None
        following = calendar.start_after(now, 1, now) if paid else now
        if paid and following <= self.next_period_start:
            return 0
        self.next_period_index += 1
        self.anchor, self.anchor_index = now, self.next_period_index - int(paid)
        self.next_period_start = following
        return 1

    def open_period(self, calendar: BillingCalendar) -> Period:
        """Take the next period and move on to the one after it."""
        self.held_since = None
        index, start = self.next_period_index, self.next_period_start
        end = calendar.start_after(self.anchor, self.counted(index + 1), start)
        self.next_period_index, self.next_period_start = index + 1, end
        return Period(index, start, end)

    def leave_out(self, calendar: BillingCalendar, periods: int) -> tuple[datetime, datetime]:
        """Waive the next periods for good. Returns the first and the last start."""
        index = self.counted(self.next_period_index)
        starts = list(islice(calendar.starts(self.anchor, index, self.next_period_start), periods + 1))
        self.next_period_index, self.next_period_start = self.next_period_index + periods, starts[periods]
        return starts[0], starts[periods - 1]

    def skip_to(self, calendar: BillingCalendar, now: datetime) -> int:
        """Leave out the periods that began without service; returns the number of steps."""
        skipped = 0
        self.held_since = None
        if isinstance(calendar, CronCalendar) and self.next_period_start <= now:
            # Skip in one step: an expression may fire every minute, and the time without service may be years.
            self.next_period_start = calendar.first_start(now + timedelta(microseconds=1))
            self.next_period_index += 1
            return 1
        while self.next_period_start <= now:
            self.open_period(calendar)
            skipped += 1
        return skipped

    def cancel(self, now: datetime) -> None:
        """Cancel it now: no further period is opened or charged."""
        self.move_to(SubscriptionStatus.CANCELED)
        self.canceled_at = now
