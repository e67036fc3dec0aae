"""What the books say: month by month, and at this moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.ports.alerts import Alert
from billing_worker.ports.bundle import Ports
from billing_worker.ports.review import Standing, Tally

MOST_ALERTS = 100


@dataclass(frozen=True, slots=True)
class Drain:
    """How late work goes down. Real time; about, since a subscription may have several late periods."""

    late: int
    per_minute: int
    """0: as fast as the workers can."""
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """The months so far, how things stand now, and what a person must look at."""

    months: Sequence[Tally]
    standing: Standing
    alerts: Sequence[Alert]
    drain: Drain | None
    """None where nothing is late."""


def report(ports: Ports, timezone: str) -> Report:
    """Everything in one consistent read; months are those of `timezone`."""
    with ports.database.transaction() as uow:
        standing = uow.books.standing(ports.clock.now(), ports.clock.real_now())
        return Report(
            months=uow.books.tallies(timezone),
            standing=standing,
            alerts=uow.alerts.list_open(MOST_ALERTS),
            drain=_drain(ports, standing.late),
        )


def _drain(ports: Ports, late: int) -> Drain | None:
    if not late:
        return None
    rate = ports.catch_up_rate
    done_at = ports.clock.real_now() + timedelta(minutes=late / rate) if rate else None
    return Drain(late, rate, done_at)
