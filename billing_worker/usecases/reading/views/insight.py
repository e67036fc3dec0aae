"""What is shown of the books as a whole."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.usecases.reading.views.control import AlertView, WayOutView
from billing_worker.usecases.reading.views.fields import CURRENCY, described, minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is known about one subscription, invoice, attempt, refund or key, in plain words."""

    subject: str
    answer: str = field(metadata=described("One sentence: the state, and the reason for it"))
    history: list[str] = field(metadata=described("What happened so far, oldest first"))
    next: str = field(metadata=described("What will happen, and what an operator can do"))
    ways_out: list[WayOutView] = field(metadata=described("What an operator can do"))
    alerts: list[str]
    actions: list[str] = field(metadata=described("Who did what, oldest first"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthView:
    """What the invoices of one month, in one currency, came to."""

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
class StandingView:
    """How things stand at this moment."""

    periods_due: int
    due: int
    in_flight: int
    unknown: int
    waiting_for_key: int
    in_dunning: int
    oldest_due: datetime | None
    late: int = field(
        metadata=described("Due for more than an hour, or could not be placed: started at a bounded rate")
    )
    on_hold: int = field(metadata=described("Subscriptions whose late periods wait for an operator's decision"))
    open_alerts: int
    open_stops: int = field(metadata=described("Where charging is stopped until an operator clears it"))
    undelivered_events: int
    abandoned_events: int = field(metadata=described("Events that were given up after three days, and not replayed"))
    unapplied_notifications: int
    stuck_notifications: int = field(metadata=described("Of these, those that an operator must look at"))
    foreign_notifications: int = field(metadata=described("Of these, webhooks whose merchant_uid was never ours"))
    oldest_notification: datetime | None = field(metadata=described("Real time since when the oldest of them waits"))
    compared_until: datetime | None = field(metadata=described("Up to when both books were compared, without a gap"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainView:
    """How late work goes down."""

    late: int
    per_minute: int = field(metadata=described("0: as fast as the workers can"))
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """What the books say."""

    timezone: str = field(metadata=described("Whose months these are"))
    months: list[MonthView]
    standing: StandingView
    drain: DrainView | None = field(metadata=described("Empty where nothing is late"))
    alerts: list[AlertView]
