"""`billing-worker dunning …`."""

from pathlib import Path
from typing import Annotated

import typer

from billing_worker.cli import listing
from billing_worker.cli.dunning_report import compare, report, split
from billing_worker.cli.dunning_simulate import simulate
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.parsing import moment, object_in
from billing_worker.cli.session import session
from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.recovery import EarlierTry, KnownDecline
from billing_worker.domain.errors import InvalidInput
from billing_worker.ports.lists import Kind
from billing_worker.usecases.dunning.policies import create_policy
from billing_worker.usecases.reading.dunning import policy_called
from billing_worker.usecases.reading.dunning import preview as previewed
from billing_worker.usecases.reading.one import policy_with
from billing_worker.usecases.reading.recovery import recovery_of
from billing_worker.usecases.reading.views.dunning import of_policy

app = typer.Typer(help="Dunning policies: when a declined invoice is tried again, and what comes last.")

for _command in (simulate, report, compare, split):
    app.command()(_command)

COLUMNS = ("id", "definition", "created_at")
TRIES = ("number", "at", "step")
LAST_HOUR = 23
Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as paydays; plain days have names such as days-1-3.")]
Version = Annotated[int | None, typer.Option(metavar="NUMBER", help="Default: the newest.")]


@app.command()
def create(
    name: Name,
    *,
    file: Annotated[
        Path | None, typer.Option(help="A JSON file with the definition.", exists=True, dir_okay=False)
    ] = None,
    definition: Annotated[str | None, typer.Option(metavar="JSON", help="Instead of a file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create a policy or, under a known name, its next version. The same definition again changes nothing.

    An invoice keeps the version that it began with. docs/dunning.md lists every field; only "steps" is needed.

    Example: billing-worker dunning create paydays --definition '{"steps": ["1d paydays 10:00", "1d paydays 10:00"]}'
    """
    if (file is None) == (definition is None):
        raise InvalidInput("definition", None, "give either --file or --definition")
    written = object_in("definition", definition) if definition is not None else object_in("file", file or Path())
    with session(as_json=as_json) as work:
        made = create_policy(work.ports, name, written)
        work.out.record(of_policy(made), headline=f"Policy {made.name}, version {made.version}")


@app.command("list")
def list_(
    *,
    name: Annotated[str | None, typer.Option(help="Only the versions of this policy.")] = None,
    created_after: listing.After = None,
    created_before: listing.Before = None,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List the versions of all policies, newest first.

    Example: billing-worker dunning list --name paydays
    """
    with session(as_json=as_json) as work:
        wanted = {"name": name, **listing.between(work, "created", created_after, created_before)}
        empty = "There are no policies. Create one: billing-worker dunning create NAME --file FILE"
        show_list(work, Kind.DUNNING_POLICIES, wanted, COLUMNS, most=None if everything else limit, empty=empty)


@app.command()
def show(name: Name, *, version: Version = None, as_json: AsJson = False) -> None:
    """Show a policy: its newest version, or another one.

    Example: billing-worker dunning show paydays --version 1
    """
    with session(as_json=as_json) as work:
        work.out.record(policy_with(work.ports, name, version))


@app.command()
def preview(
    name: Name,
    *,
    declined_at: Annotated[str, typer.Option(metavar="TIME", help="ISO 8601 with a zone: the first decline.")],
    category: Annotated[Category, typer.Option(help="What each decline is about.")] = Category.UNKNOWN,
    paid_hour: Annotated[
        int | None, typer.Option(min=0, max=LAST_HOUR, help="The hour, Seoul time, of a payment before.")
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Show when an invoice would be tried again, if each try is declined.

    Each invoice has its own share of a jitter, and a PG's own hours may move a try.

    Example: billing-worker dunning preview paydays --declined-at 2026-03-31T09:00:00+09:00 --category balance
    """
    with session(as_json=as_json) as work:
        at = moment("declined_at", declined_at)
        if at is None:
            raise InvalidInput("declined_at", None, "is needed")
        policy, ident = policy_called(work.ports, name if version is None else f"{name}@{version}")
        tries = previewed(policy, at, category=category, paid_hour=paid_hour)
        work.out.rows(tries, TRIES, empty=f"{ident} tries no more after a decline about {category}.")


@app.command()
def advise(
    pg: Annotated[str, typer.Argument(metavar="PG", help="PortOne's code: kcp, nice_v2, html5_inicis …")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text of the decline, with or without its code.")],
    *,
    declined_at: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601 with a zone; default: now.")] = None,
    declined_before: Annotated[
        list[str] | None,
        typer.Option(metavar="TIME", help="An earlier decline like this one; repeatable."),
    ] = None,
    policy: Annotated[str | None, typer.Option(metavar="NAME", help="Default: the policy of this release.")] = None,
    as_json: AsJson = False,
) -> None:
    """Advise on a declined payment of any system: when to charge again, and why then. Nothing is charged or stored.

    POST /v1/recovery takes the whole history of a card.

    Example: billing-worker dunning advise kcp "[CC10]잔액부족" --declined-at 2026-03-12T09:30:00+09:00
    """
    with session(as_json=as_json) as work:
        at = moment("declined_at", declined_at) or work.ports.clock.moment().billing
        before = [moment("declined_before", each) for each in declined_before or []]
        earlier = tuple(EarlierTry(each, text) for each in before if each is not None)
        told = KnownDecline("advise", pg, text, at, earlier)
        work.out.record(recovery_of(work.ports, told, policy, work.settings.language))
