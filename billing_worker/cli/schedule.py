"""`billing-worker schedule …`."""

import sys
from typing import Annotated

import typer

from billing_worker.cli import listing, options
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.session import session
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.schedule import Collection, ScheduleStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.one import schedule_with
from billing_worker.usecases.review.schedules import review_schedules
from billing_worker.usecases.subscription.change import change_collections

app = typer.Typer(help="Schedules: charges that PortOne makes by itself, at dates registered there.")

COLUMNS = ("id", "subscription_id", "schedule_at", "amount", "status", "merchant_uid", "note")
DIFFERENCES = ("kind", "merchant_uid", "here", "at_portone", "subject_id", "done")
DIFFERS = 1


@app.command("list")
def list_(
    *,
    subscription: listing.Subscription = None,
    key: listing.Key = None,
    status: Annotated[ScheduleStatus | None, typer.Option(help="Only these.")] = None,
    still_open: Annotated[
        bool | None,
        typer.Option("--open/--closed", help="Only those that PortOne may still run; or the others."),
    ] = None,
    after: listing.After = None,
    before: listing.Before = None,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List schedules by their dates, the latest first.

    Example: billing-worker schedule list --open
    """
    with session(as_json=as_json) as work:
        wanted = {"subscription_id": subscription, "billing_key_id": key, "status": status, "open": still_open}
        chosen = {**wanted, **listing.between(work, "schedule", after, before)}
        empty, most = "There are no such schedules.", None if everything else limit
        show_list(work, Kind.SCHEDULES, chosen, COLUMNS, most=most, empty=empty)


@app.command()
def show(schedule_id: Annotated[str, typer.Argument(metavar="ID", help="sch_…")], *, as_json: AsJson = False) -> None:
    """Show one schedule.

    Example: billing-worker schedule show sch_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        work.out.record(schedule_with(work.ports, schedule_id))


@app.command()
def compare(*, as_json: AsJson = False) -> None:
    """Compare our schedules of the next weeks with PortOne's own list, name each difference, and act on it.

    It does at once what a worker does once a day: each difference has an alert, an alert whose difference is gone is
    closed, and what is revoked here and came back at PortOne is revoked again. A schedule at PortOne on one of our keys
    that this worker did not register may charge a customer twice: it is named too. The exit status is 1 if anything
    differs, or could not be read.

    Example: billing-worker schedule compare
    """
    with session(as_json=as_json) as work:
        compared = review_schedules(work.ports)
        if work.out.as_json:
            work.out.record(compared)
        else:
            work.out.say(
                f"{compared.agreeing} schedules agree, {len(compared.differences)} differ;"
                f" {compared.foreign} at PortOne concern no key that is charged here"
            )
            if compared.unread:
                work.out.say(f"{len(compared.unread)} more differ in the list, and were not read singly")
            work.out.rows(compared.differences, DIFFERENCES, empty="")
    if compared.differences or compared.unread:
        raise typer.Exit(DIFFERS)


@app.command()
def use(
    collection: Annotated[Collection, typer.Argument(metavar="WAY", help=options.COLLECTION)],
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every live subscription; needed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for a confirmation on a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Collect all subscriptions by another way from now on. An interrupted run goes on where it stopped.

    `worker` revokes every schedule at PortOne: the worker does that within minutes, and until then the alert
    schedule_unclear names what is not revoked. For one subscription: billing-worker subscription set-collection ID WAY

    Example: billing-worker schedule use worker --all
    """
    if not everything:
        raise InvalidInput("all", None, "give --all, or change one: billing-worker subscription set-collection ID WAY")
    if collection is Collection.SHADOW:
        problem = "is for single subscriptions; to charge nothing at all, set BILLING_SHADOW=true"
        raise InvalidInput("way", collection.value, problem)
    if sys.stdin.isatty() and not yes and not as_json:
        typer.confirm(f"Collect every live subscription by {collection}?", abort=True)
    with session(as_json=as_json) as work:

        def report(changed: int) -> None:
            if not as_json:
                print(f"{changed} changed so far", file=sys.stderr)  # noqa: T201 - progress of a command line

        changed = change_collections(work.ports, collection, progress=report)
        if as_json:
            work.out.record({"changed": changed, "collection": collection.value})
        else:
            work.out.say(f"{changed} subscriptions are collected by {collection} from now on")
