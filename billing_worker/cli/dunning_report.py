"""`billing-worker dunning report`, `compare` and `split`: what policies recover, and which one recovers more."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from billing_worker.cli.output import AsJson
from billing_worker.cli.parsing import day_or_moment
from billing_worker.cli.session import session
from billing_worker.domain.dunning.recovered import Side
from billing_worker.issuer_model.plot import draw_shares, require_plot
from billing_worker.usecases.dunning.split import split as split_plan
from billing_worker.usecases.reading.recovered import compare_policies, recovered_by
from billing_worker.usecases.reading.views.recovered import RecoveredView

COLUMNS = (
    "value",
    "currency",
    "attempted",
    "recovered",
    "open",
    "share",
    "attempted_amount",
    "recovered_amount",
    "days",
)
A_QUARTER = timedelta(days=90)
A_YEAR = timedelta(days=365)
One = Annotated[str, typer.Argument(metavar="ONE", help="The name of a policy.")]
Other = Annotated[str, typer.Argument(metavar="OTHER", help="The name of another policy.")]


def report(
    *,
    by: Annotated[Side, typer.Option(help="What the declined invoices are added up by.")] = Side.CATEGORY,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Invoices from this day on; default: 90 days ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Invoices before this day; default: now.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the shares into this .svg or .png.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of text.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what dunning recovered of the invoices whose charge was declined.

    By step, an invoice counts at each step that it reached, and is recovered at the one whose try was paid; 00 are
    those that spent no step. --json and --csv also give the 95 % interval of each share. Open invoices are not
    recovered yet.

    Example: billing-worker dunning report --by policy
    """
    if plot is not None:
        require_plot(plot)
    with session(as_json=as_json) as work:
        zone, now = work.settings.timezone, work.ports.clock.moment().billing
        begin = day_or_moment("since", since, zone) or now - A_QUARTER
        end = day_or_moment("until", until, zone) or now + timedelta(microseconds=1)
        found = recovered_by(work.ports, by, begin, end, zone)
        if plot is not None:
            draw_shares(
                {f"{each.value} {each.currency}": (each.share, each.share_low, each.share_high) for each in found}, plot
            )
        if as_csv:
            _write_csv(found)
            return
        work.out.rows(found, COLUMNS, empty="No charge of these invoices was declined.")


def compare(
    one: One,
    other: Other,
    *,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="Invoices from this day on; or a year ago.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare what two policies recovered, over customers who had one or the other; see: dunning split.

    Only invoices older than 45 days count. A difference is called one only if its 95 % interval excludes zero, each
    policy has 30 invoices, and no invoice that is still in dunning could undo it.

    Example: billing-worker dunning compare paydays days-1-3-5-7
    """
    with session(as_json=as_json) as work:
        begin = day_or_moment("since", since, work.settings.timezone) or work.ports.clock.moment().billing - A_YEAR
        found = compare_policies(work.ports, one, other, begin)
        work.out.record(found, headline=found.verdict)


def split(
    plan_id: Annotated[str, typer.Argument(metavar="ID", help="plan_…")],
    one: One,
    other: Other,
    *,
    as_json: AsJson = False,
) -> None:
    """Give two policies to the live subscriptions of a plan, half and half, to compare them.

    The half of a subscription never changes. Invoices that open later take its policy. A second run also takes the
    subscriptions that came since.

    Example: billing-worker dunning split plan_0123456789abcdef paydays days-1-3-5-7
    """
    with session(as_json=as_json) as work:
        first, second = split_plan(work.ports, plan_id, one, other)
        work.out.record({"plan_id": plan_id, one: first, other: second}, headline="Subscriptions by policy")


def _write_csv(found: Sequence[RecoveredView]) -> None:
    writer = csv.DictWriter(sys.stdout, list(RecoveredView.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(each) for each in found)
