"""The database as a whole: the sums of reports, the comparison with the gateway's books, and audits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from billing_worker.domain.audit import Breach, Checked
from billing_worker.domain.comparing import Booked
from billing_worker.domain.comparison import Comparison, Span
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.payment import GatewayPayment
from billing_worker.domain.runaway import Reached


@dataclass(frozen=True, slots=True)
class Tally:
    """The sums of the invoices of one month in one currency. Money in minor units."""

    month: str
    """The month of the period's start in the given time zone: 2026-01."""
    currency: str
    invoices: int
    paid: int
    paid_amount: int
    open: int
    uncollectible: int
    void: int
    recovered: int
    """Paid after at least one decline."""
    refunded_amount: int
    """The refunded part of the paid sum. A duplicate payment and its refund are not counted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of the database at this moment."""

    periods_due: int
    """Subscriptions whose next period has begun and has no invoice yet."""
    due: int
    """Invoices due now and not started yet."""
    in_flight: int
    unknown: int
    waiting_for_key: int
    in_dunning: int
    oldest_due: datetime | None
    """Billing time at which the oldest of the due invoices became due."""
    late: int
    """Subscriptions and invoices due for more than an hour, and charges that could not be placed. Both are paced."""
    on_hold: int
    """Subscriptions whose late periods wait for an operator's decision."""
    open_alerts: int
    open_stops: int
    """Scopes in which charging is stopped until an operator clears the stop."""
    undelivered_events: int
    abandoned_events: int
    """Events given up after three days and not replayed."""
    unapplied_notifications: int
    stuck_notifications: int
    """Of these, those that got no answer from the gateway for an hour, or have waited for a day."""
    foreign_notifications: int
    """Of these, webhooks whose merchant_uid was never ours."""
    oldest_notification: datetime | None
    """Real time since which the oldest of them waits."""
    compared_until: datetime | None
    """Billing time up to which both books were compared without a gap; None before the first comparison."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A key and the payment that issued it."""

    key_id: str
    imp_uid: str


@dataclass(frozen=True, slots=True)
class Known:
    """The rows of our books that match one page of the gateway's."""

    booked: Mapping[str, Booked]
    """Attempts by imp_uid."""
    invoices: Mapping[str, str]
    """Ids by merchant_uid, including earlier ones of the invoice."""
    open_attempts: Mapping[str, AttemptStatus]
    """Ids of attempts without a known outcome, by merchant_uid."""
    keys: Mapping[str, datetime]
    """When each customer_uid was registered here, in billing time."""
    issued: Mapping[str, Issued] = field(default_factory=dict)
    """Keys whose issuing payment is known, by customer_uid."""


@dataclass(frozen=True, slots=True)
class SettledPayment:
    """One approved attempt, to compare with the gateway's books."""

    merchant_uid: str
    imp_uid: str
    amount: int
    currency: str
    period_start: datetime
    surplus: bool


@dataclass(frozen=True, slots=True)
class AuditWindow:
    """The scope of an audit."""

    since: datetime | None
    """Billing time; None: everything."""
    moment: Moment
    grace: timedelta
    """Billing time: work due for longer than this counts as lost."""
    skew: timedelta
    """Billing time by which the clocks of two hosts may differ."""
    accepted: frozenset[str] = frozenset()
    """Breaches that an operator accepted, as stops name them. They are shown last."""


@dataclass(frozen=True, slots=True)
class PaidAttempt:
    """An approval with facts about its invoice, to compare with the gateway's books."""

    id: str
    invoice_id: str
    merchant_uid: str
    imp_uid: str
    money: Money
    customer_uid: str = field(repr=False)
    subscription_id: str
    nameless: bool
    """Whether an attempt of the invoice has no imp_uid: an unknown payment may then belong to it."""


class Books(Protocol):
    """Sums over the whole database. Read only."""

    def tallies(self, timezone: str) -> Sequence[Tally]:
        """One line per month and currency, oldest first."""

    def standing(self, moment: Moment) -> Standing:
        """The present state."""

    def payments(self) -> Sequence[SettledPayment]:
        """Every approved attempt, by period."""


class Comparisons(Protocol):
    """Spans of time over which both books are compared, and the queries on our books that this needs."""

    def get(self, comparison_id: int) -> Comparison:
        """The comparison. Raises NotFound."""

    def lock(self, comparison_id: int) -> Comparison:
        """The comparison, locked until the end of the transaction. Raises NotFound."""

    def add(self, span: Span, real_now: datetime, next_try_at: datetime) -> int:
        """Store a new one, open. Returns its id."""

    def save(self, comparison: Comparison) -> None:
        """Write the comparison back."""

    def plan_alone(self) -> bool:
        """Lock the planning of spans until the end of the transaction; False if another transaction holds it."""

    def lock_last(self) -> Comparison | None:
        """The comparison that ends last, locked."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[int]:
        """Ids of comparisons to read now, oldest first, leased to the caller."""

    def known(self, payments: Sequence[GatewayPayment], merchant_uids: Sequence[str] = ()) -> Known:
        """The rows of our books for these payments and these orders."""

    def approved_between(self, start: datetime, end: datetime, after: Booked | None, limit: int) -> Sequence[Booked]:
        """Attempts that became approved in this span (billing time), in order, starting after `after`."""

    def booked(self, attempt_id: str) -> Booked:
        """The compared fields of an attempt. Raises NotFound."""

    def doubted(self, before: datetime, limit: int) -> Sequence[Booked]:
        """Attempts whose payment is in doubt and was last read before `before` (real time), oldest read first."""

    def close_settled(self, now: datetime) -> None:
        """Close alerts whose cause is gone: the payment was booked or settled, or the invoice is not owed any more."""

    def close_shown(self, shown: Sequence[str], given_back: Sequence[str], now: datetime) -> None:
        """Close alerts about payments (imp_uid) that are readable now, and about foreign ones that were given back."""


class Doubts(Protocol):
    """Payments in our books that the gateway shows differently or not at all."""

    def begin(self, subject_id: str, real_now: datetime) -> datetime:
        """Begin to doubt the payment of this attempt or key; returns since when it is in doubt (real time)."""

    def end(self, subject_id: str) -> bool:
        """End the doubt: the gateway shows the payment as booked. Returns whether it was in doubt."""


class Audits(Protocol):
    """Audits: which one runs next, and what it checks."""

    def claim(self, moment: Moment, interval: timedelta) -> int | None:
        """The id of a new audit if none began within the interval. Only one caller gets it."""

    def audited_until(self) -> datetime | None:
        """Billing time up to which everything was audited; None before the first audit ended."""

    def finish(self, audit_id: int, real_now: datetime, checked: int, breaches: int) -> None:
        """Note that the audit ended. Deletes records older than a month."""

    def checks(self, window: AuditWindow) -> Sequence[Checked]:
        """Check every invariant that the database alone can answer."""

    def texts(self, most: int) -> Iterator[tuple[str, str, str]]:
        """Table, id and text of the rows written last."""

    def paid(self, since: datetime | None, settled: datetime, most: int) -> Sequence[PaidAttempt]:
        """The newest approvals whose evidence arrived before `settled`, to compare with the gateway's books.

        At most `most` of these, and as many approvals in doubt, whenever they were approved.
        """

    def unasked(self, since: datetime) -> Reached:
        """The customers and money of unasked payments under our orders since then (billing time)."""

    def paid_since(self, since: datetime) -> Reached:
        """The customers and money of all payments booked since then (billing time)."""

    def live(self) -> int:
        """The number of subscriptions that are not canceled."""

    def twins(self, most: int) -> Sequence[Breach]:
        """Subscriptions with a twin on the same plan: the same customer's, first charged within a day of it.

        The later one of each pair is the subject. A pair whose alert an operator closed is accepted, and left out.
        """

    def part_twins(self, now: datetime) -> None:
        """Close alerts about twins that no longer are: one was canceled, or the merchant wants both."""


class ReviewRecords(Protocol):
    """The records of reviews in a transaction."""

    @property
    def books(self) -> Books:
        """Sums and the present state."""

    @property
    def comparisons(self) -> Comparisons:
        """Comparisons with the gateway."""

    @property
    def doubts(self) -> Doubts:
        """Payments that are in doubt."""

    @property
    def audits(self) -> Audits:
        """Audits."""
