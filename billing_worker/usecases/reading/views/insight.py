"""The views of the books as a whole."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.usecases.reading.views.control import AlertView, WayOutView
from billing_worker.usecases.reading.views.fields import CURRENCY, described, minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The explanation of one subscription, invoice, attempt, refund or key, in plain words."""

    subject: str
    answer: str = field(metadata=described("One sentence: the state, and the reason for it"))
    history: list[str] = field(metadata=described("The history, oldest first"))
    notices: list[str] = field(metadata=described("What the customer heard, or will hear, oldest first"))
    next: str = field(metadata=described("What will happen, and what an operator can do"))
    ways_out: list[WayOutView] = field(metadata=described("What an operator can do"))
    alerts: list[str]
    actions: list[str] = field(metadata=described("The actions, oldest first"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthView:
    """The sums of the invoices of one month in one currency."""

    month: str = field(metadata=described(example="2026-01"))
    currency: str = field(metadata=CURRENCY)
    invoices: int
    paid: int
    paid_amount: int = field(metadata=minor())
    open: int
    uncollectible: int
    void: int
    recovered: int = field(metadata=described("Paid after at least one decline"))
    refunded_amount: int = field(metadata=minor())


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesView:
    """The outcomes of one kind of tries at one PG: of the last day, and of the seven days before it.

    An outcome counts in the hour in which it is known. One that changes counts again: an unknown one that is paid.
    """

    pg: str = field(metadata=described("PortOne's code", example="nice_v2"))
    kind: str = field(
        metadata=described("first, retry (dunning), by_hand, or found: a payment that we did not make", example="first")
    )
    approved: int
    declined: int
    failed: int = field(metadata=described("Could not be placed"))
    unknown: int = field(metadata=described("Answers that were unclear at first"))
    declined_share: float | None = field(
        metadata=described("Of approved and declined ones, from 0 to 1; empty without any", example=0.1)
    )
    week_approved: int
    week_declined: int
    week_failed: int
    week_unknown: int
    week_declined_share: float | None = field(metadata=described("The same, of the week", example=0.1))


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingView:
    """The state at this moment."""

    periods_due: int = field(metadata=described("Periods that have begun and have no invoice yet"))
    oldest_period_due: datetime | None
    due: int = field(metadata=described("Invoices due now and not started yet"))
    in_flight: int
    unknown: int = field(metadata=described("Charges whose outcome is unclear"))
    oldest_unknown: datetime | None
    unplaced: int = field(metadata=described("Invoices whose last charge could not be placed; they are tried again"))
    oldest_unplaced: datetime | None
    waiting_for_key: int
    in_dunning: int
    oldest_due: datetime | None
    late: int = field(metadata=described("Due for more than an hour, or not placed: started at a bounded rate"))
    on_hold: int = field(metadata=described("Subscriptions whose late periods wait for an operator's decision"))
    expiring_cards: int = field(
        metadata=described("Active keys whose card expires within 30 days; see `key list --expiring`")
    )
    open_alerts: int
    open_stops: int = field(metadata=described("Stops that hold charges until they are cleared"))
    undelivered_events: int
    abandoned_events: int = field(metadata=described("Events given up after three days and not replayed"))
    unapplied_notifications: int
    stuck_notifications: int = field(metadata=described("Of these, those that an operator must look at"))
    foreign_notifications: int = field(metadata=described("Of these, webhooks whose merchant_uid was never ours"))
    oldest_notification: datetime | None = field(metadata=described("Real time since which the oldest of them waits"))
    compared_until: datetime | None = field(
        metadata=described("The time up to which both books were compared without a gap")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainView:
    """The progress of late work."""

    late: int
    per_minute: int = field(metadata=described("0: as fast as the workers can"))
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """The report on the books."""

    timezone: str = field(metadata=described("The time zone of the months"))
    months: list[MonthView]
    outcomes: list[OutcomesView] = field(
        metadata=described("The last day beside the week before it, by PG and kind of try")
    )
    standing: StandingView
    drain: DrainView | None = field(metadata=described("Empty if no work is late, or if all charging is stopped"))
    alerts: list[AlertView]
