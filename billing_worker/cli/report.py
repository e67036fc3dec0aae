"""`billing-worker report`."""

from dataclasses import replace
from typing import Annotated

import typer

from billing_worker.cli.output import AsJson
from billing_worker.cli.session import session
from billing_worker.domain.calendar import zone_named
from billing_worker.texts.words import Words
from billing_worker.usecases.reading.report import report_in
from billing_worker.usecases.reading.views.insight import DrainView

MONTHS = (
    *("month", "invoices", "paid", "paid_amount", "refunded_amount"),
    *("open", "uncollectible", "void", "recovered"),
)
OUTCOMES = (
    *("pg", "kind", "approved", "declined", "failed", "unknown", "declined_share"),
    *("week_approved", "week_declined", "week_declined_share"),
)
ALERTS = ("opened_at", "severity", "kind", "subject_id", "detail", "proposal")


def report(
    *,
    timezone: Annotated[str | None, typer.Option(help="Time zone of the months; default: BILLING_TIMEZONE.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show each month's invoices and money, the outcomes of the last day, the present state, and open alerts.

    Example: billing-worker report --timezone UTC
    """
    with session(as_json=as_json) as work:
        zone = work.settings.timezone if timezone is None else timezone
        words = replace(work.words, zone=zone_named(zone))
        books = report_in(work.ports, zone, work.settings.language)
        if as_json:
            work.out.json(books)
            return
        out = replace(work.out, zone=zone, words=words)
        out.rows(books.months, MONTHS, empty=words.say("report.no_invoices"))
        out.section(words.say("report.outcomes"), books.outcomes, OUTCOMES)
        out.say("")
        out.say(words.say("report.now"), "bold")
        out.record(books.standing)
        if books.drain is not None:
            out.say(_draining(books.drain, words), "yellow")
        out.section(words.say("report.alerts"), books.alerts, ALERTS)


def _draining(drain: DrainView, words: Words) -> str:
    if drain.done_at is None:
        return words.say("report.draining", late=drain.late)
    return words.say("report.draining_paced", late=drain.late, rate=drain.per_minute, day=words.day(drain.done_at))
