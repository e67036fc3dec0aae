"""`billing-worker shadow …`."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from billing_worker.cli import listing
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.session import session
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.shadow import ShadowResult
from billing_worker.ports.lists import Kind

app = typer.Typer(help="Shadow mode: what this worker would have charged, beside what another biller did.")

COLUMNS = ("at", "subscription_id", "amount", "result", "taken", "imp_uid")


@app.command("list")
def list_(
    *,
    day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Only of this day, in UTC.")] = None,
    subscription: listing.Subscription = None,
    result: Annotated[ShadowResult | None, typer.Option(help="Only these.")] = None,
    differs: Annotated[bool, typer.Option("--differs", help="Only what differs from PortOne's books.")] = False,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List charges that this worker would have made, and those that only the old biller made, newest first.

    Example: billing-worker shadow list --differs
    """
    start = _start_of(day) if day is not None else None
    with session(as_json=as_json) as work:
        wanted = {"subscription_id": subscription, "result": result, "differs": differs or None}
        span = {"at_after": start, "at_before": start + timedelta(days=1) if start is not None else None}
        most = None if everything else limit
        empty = "There are no such charges. A subscription in shadow: subscription set-collection ID shadow"
        show_list(work, Kind.SHADOW, {**wanted, **span}, COLUMNS, most=most, empty=empty)


def _start_of(day: str) -> datetime:
    try:
        found = date.fromisoformat(day)
    except ValueError as error:
        raise InvalidInput("day", day, "must be a day, such as 2026-12-01") from error
    return datetime(found.year, found.month, found.day, tzinfo=UTC)
