"""What the books say: month by month, and at this moment."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing_worker.ports import Alert, Ports, Standing, Tally

MOST_ALERTS = 100


@dataclass(frozen=True, slots=True)
class Report:
    """The months so far, how things stand now, and what a person must look at."""

    months: Sequence[Tally]
    standing: Standing
    alerts: Sequence[Alert]


def report(ports: Ports, timezone: str) -> Report:
    """Everything in one consistent read; months are those of `timezone`."""
    with ports.database.transaction() as uow:
        return Report(
            months=uow.books.tallies(timezone),
            standing=uow.books.standing(ports.clock.now()),
            alerts=uow.alerts.list_open(MOST_ALERTS),
        )
