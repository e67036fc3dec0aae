"""`billing-worker report`."""

from dataclasses import asdict, replace
from typing import Annotated

import typer

from billing_worker.cli.output import AsJson, View
from billing_worker.cli.session import session
from billing_worker.domain.calendar import zone_named
from billing_worker.domain.money import Money
from billing_worker.ports.review import Tally
from billing_worker.texts.alerts import view
from billing_worker.usecases.reading.report import Drain
from billing_worker.usecases.reading.report import report as read_books

MONTHS = (
    *("month", "currency", "invoices", "paid", "paid_amount", "refunded_amount"),
    *("open", "uncollectible", "void", "recovered"),
)
ALERTS = ("opened_at", "severity", "kind", "subject_id", "detail", "proposal")


def report(
    *,
    timezone: Annotated[str | None, typer.Option(help="Whose months; BILLING_TIMEZONE if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the books say: each month's invoices and money, how things stand now, and open alerts.

    Example: billing-worker report --timezone UTC
    """
    with session(as_json=as_json) as work:
        zone = work.settings.timezone if timezone is None else timezone
        zone_named(zone)
        books = read_books(work.ports, zone)
        if as_json:
            work.out.json(
                {
                    "timezone": zone,
                    "months": [asdict(tally) for tally in books.months],
                    "standing": asdict(books.standing),
                    "drain": asdict(books.drain) if books.drain else None,
                    "alerts": [view(alert, work.settings.language) for alert in books.alerts],
                }
            )
            return
        out = replace(work.out, zone=zone)
        months = [_month(tally) for tally in books.months]
        out.rows(months, MONTHS, empty="No invoices so far.")
        out.say("")
        out.say("Now", "bold")
        out.record(asdict(books.standing))
        if books.drain is not None:
            out.say(_draining(books.drain, zone), "yellow")
        alerts = [view(alert, work.settings.language) for alert in books.alerts]
        out.section("Alerts: an operator must look at these", alerts, ALERTS)


def _draining(drain: Drain, zone: str) -> str:
    if drain.done_at is None:
        return f"{drain.late} late, draining as fast as the workers can"
    done = drain.done_at.astimezone(zone_named(zone))
    return f"{drain.late} late, draining at {drain.per_minute}/min, done about {done:%Y-%m-%d %H:%M %Z}"


def _month(tally: Tally) -> View:
    paid, refunded = Money(tally.paid_amount, tally.currency), Money(tally.refunded_amount, tally.currency)
    return {**asdict(tally), "paid_amount": paid, "refunded_amount": refunded}
