"""The view of the running demonstration: on a terminal a live table, in a pipe a line now and then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from billing_worker.demo.books import Comparison
from billing_worker.domain.events import EventType
from billing_worker.domain.money import Money
from billing_worker.ports.books import Standing
from billing_worker.ports.outgoing import OutboxMessage
from billing_worker.usecases.reading.report import Report

STYLES = {"paid": "green", "recovered": "green", "in dunning": "yellow", "unknown": "magenta", "given up": "red"}
EVENT_STYLES = {
    EventType.INVOICE_PAID: "green",
    EventType.INVOICE_PAYMENT_FAILED: "yellow",
    EventType.SUBSCRIPTION_PAST_DUE: "yellow",
    EventType.INVOICE_UNCOLLECTIBLE: "red",
    EventType.SUBSCRIPTION_UNPAID: "red",
    EventType.BILLING_KEY_INVALID: "red",
    EventType.BILLING_KEY_ACTIVATED: "bold cyan",
}


def totals(report: Report) -> dict[str, int]:
    """The numbers that the view shows."""
    months = report.months
    return {
        "periods": sum(month.invoices for month in months),
        "due": report.standing.due + report.standing.in_flight,
        "paid": sum(month.paid for month in months),
        "in dunning": report.standing.in_dunning,
        "recovered": sum(month.recovered for month in months),
        "waiting for confirmation": report.standing.waiting_for_key,
        "unknown": report.standing.unknown,
        "given up": sum(month.uncollectible for month in months),
    }


WAITS = "time waits for open work"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the demonstration ended."""

    text: str
    style: str
    status: int
    """The exit status."""


def verdict(comparison: Comparison, standing: Standing, *, finished: bool, still: float) -> Verdict:
    """Judge the books; while work is open (`finished` is false) they say nothing yet, whether they agree or not.

    `still` is for how many seconds nothing had changed.
    """
    if not finished:
        names = {"periods due": standing.periods_due, "invoices due": standing.due, "in flight": standing.in_flight}
        names |= {"unknown": standing.unknown, "waiting for confirmation": standing.waiting_for_key}
        left = ", ".join(f"{name} {number}" for name, number in names.items() if number) or "nothing"
        open_work = f"Nothing changed for {still:g} s, and work is open ({left})."
        return Verdict(f"NOT FINISHED. {open_work} The books say nothing yet.", "bold yellow", 3)
    if comparison.agree:
        return Verdict("The books agree: every payment is in both, once.", "bold green", 0)
    return Verdict("THE BOOKS DO NOT AGREE.", "bold red", 1)


def line(report: Report, now: datetime, timezone: str, rate: float, *, waits: bool = False) -> str:
    """One line for a pipe or a log."""
    numbers = ", ".join(f"{name} {number}" for name, number in totals(report).items())
    return f"{now.astimezone(ZoneInfo(timezone)):%Y-%m-%d}  {numbers}, {rate:.1f} paid/s{f', {WAITS}' if waits else ''}"


def screen(
    report: Report,
    news: Sequence[OutboxMessage],
    now: datetime,
    timezone: str,
    *,
    rate: float,
    done: float,
    waits: bool,
) -> Group:
    """The live table; `done` is the fraction of the months that has passed, from 0 to 1."""
    zone = ZoneInfo(timezone)
    table = Table(show_header=False, expand=True, box=None, padding=(0, 2))
    table.add_column(justify="left", ratio=2)
    table.add_column(justify="right", ratio=1)
    for name, number in totals(report).items():
        table.add_row(Text(name, STYLES.get(name, "")), Text(f"{number:,}", STYLES.get(name, "bold")))
    table.add_row(Text("rate"), Text(f"{rate:.1f} paid/s", "bold"))
    bar = Table.grid(expand=True)
    bar.add_row(ProgressBar(total=1.0, completed=min(max(done, 0.0), 1.0)))
    happened = Table(show_header=False, expand=True, box=None, padding=(0, 1))
    happened.add_column(no_wrap=True)
    happened.add_column(no_wrap=True)
    happened.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for message in news:
        kind = message.event.type
        when = f"{message.occurred_at.astimezone(zone):%m-%d %H:%M}"
        happened.add_row(Text(when, "dim"), Text(kind, EVENT_STYLES.get(kind, "")), Text(_about(message), "dim"))
    title = f"{now.astimezone(zone):%A %Y-%m-%d}" + (f" ({WAITS})" if waits else "")
    return Group(
        Panel(Group(bar, table), title=title, subtitle="Ctrl-C stops everything"),
        Panel(happened, title="What happened last"),
    )


def _about(message: OutboxMessage) -> str:
    data = message.event.data
    amount, currency = data.get("amount"), data.get("currency")
    if isinstance(amount, int) and isinstance(currency, str):
        return f"{Money(amount, currency)}, {data.get('imp_uid')}"
    return str(data.get("reason") or data.get("pg_provider") or message.event.subject_id)


def closing_books(comparison: Comparison) -> Table:
    """The database's books and the ledger, month by month."""
    table = Table(title="The books: database and sandbox ledger", title_justify="left")
    for name in ("period", "paid (database)", "sum", "paid (ledger)", "sum", ""):
        table.add_column(name, justify="left" if name in ("period", "") else "right")
    for (month, currency), sums in sorted(comparison.months.items()):
        table.add_row(
            month,
            str(sums.ours),
            str(Money(sums.our_amount, currency)),
            str(sums.theirs),
            str(Money(sums.their_amount, currency)),
            Text("agree", "green") if sums.agree else Text("DIFFER", "bold red"),
        )
    return table
