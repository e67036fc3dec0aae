"""The report: the sums of each month, and the present state."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.language import Language
from billing_worker.domain.stop import ALL
from billing_worker.ports.alerts import Alert
from billing_worker.ports.books import SettledPayment, Standing, Tally
from billing_worker.ports.bundle import Ports
from billing_worker.ports.hourly import Counted
from billing_worker.usecases.reading.outcomes import Outcomes, count_of, outcomes
from billing_worker.usecases.reading.views.control import of_alert
from billing_worker.usecases.reading.views.insight import DrainView, MonthView, OutcomesView, ReportView, StandingView

MOST_ALERTS = 100
OUTCOMES = ("approved", "declined", "failed", "unknown")


@dataclass(frozen=True, slots=True)
class Drain:
    """The progress of late work, in real time. An estimate, since a subscription may have several late periods."""

    late: int
    per_minute: int
    """0: as fast as the workers can."""
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """The months so far, the present state, and the open alerts."""

    months: Sequence[Tally]
    standing: Standing
    alerts: Sequence[Alert]
    drain: Drain | None
    """None if no work is late, or if a stop of all charging holds it."""
    outcomes: Sequence[Outcomes]
    """By PG and kind of try."""
    all_time: Sequence[Counted]


def report(ports: Ports, timezone: str) -> Report:
    """Everything in one consistent read; months are those of `timezone`."""
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        standing = uow.books.standing(
            moment, uow.catch_up.service().late_until(moment.billing), receiver=ports.notifier is not None
        )
        is_stopped = any(stop.scope == ALL for stop in uow.stops.list_open())
        return Report(
            months=uow.books.tallies(timezone),
            standing=standing,
            alerts=uow.alerts.list_open(MOST_ALERTS),
            drain=None if is_stopped else _drain(ports, standing.late, moment.real),
            outcomes=outcomes(uow, moment.billing),
            all_time=uow.books.hourly.all_time(),
        )


def report_in(ports: Ports, timezone: str, language: Language) -> ReportView:
    """The report as every entrance shows it."""
    found = report(ports, timezone)
    return ReportView(
        timezone=timezone,
        months=[MonthView(**asdict(tally)) for tally in found.months],
        outcomes=[_of_outcomes(each) for each in found.outcomes],
        standing=StandingView(**asdict(found.standing)),
        drain=DrainView(**asdict(found.drain)) if found.drain else None,
        alerts=[of_alert(alert, language) for alert in found.alerts],
    )


def _of_outcomes(found: Outcomes) -> OutcomesView:
    day, week = found.shares
    return OutcomesView(
        pg=found.pg,
        kind=found.kind,
        **{name: count_of(found.day, AttemptStatus(name)) for name in OUTCOMES},
        declined_share=round(day.value, 3) if day.total else None,
        **{f"week_{name}": count_of(found.week, AttemptStatus(name)) for name in OUTCOMES},
        week_declined_share=round(week.value, 3) if week.total else None,
    )


def compared_until(ports: Ports) -> datetime | None:
    """Billing time up to which both books were compared, without a gap; None before the first comparison."""
    with ports.database.transaction() as uow:
        return uow.books.compared_until()


def has_open_alerts(ports: Ports) -> bool:
    """Whether an alert is open."""
    with ports.database.transaction() as uow:
        return bool(uow.alerts.list_open(1))


def payments(ports: Ports) -> Sequence[SettledPayment]:
    """Every approved attempt, by period."""
    with ports.database.transaction() as uow:
        return uow.books.payments()


def _drain(ports: Ports, late: int, real_now: datetime) -> Drain | None:
    if not late:
        return None
    rate = ports.catch_up_rate
    done_at = real_now + timedelta(minutes=late / rate) if rate else None
    return Drain(late, rate, done_at)
