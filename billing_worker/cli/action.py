"""`billing-worker action …`."""

from typing import Annotated

import typer

from billing_worker.cli import listing
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.session import session
from billing_worker.domain.action import Verb
from billing_worker.ports.lists import Kind

app = typer.Typer(help="The log of actions: every change that an operator or a program asked for.")

COLUMNS = ("at", "actor", "verb", "subject_id", "detail")


@app.command("list")
def list_(
    *,
    subject: Annotated[
        str | None, typer.Option(metavar="ID", help="Only on this object; numbers as stop:12 or alert:3.")
    ] = None,
    actor: Annotated[str | None, typer.Option(metavar="WHO", help="Only of token:NAME, cli:USER or worker.")] = None,
    verb: Annotated[Verb | None, typer.Option(help="Only of this kind.")] = None,
    after: listing.After = None,
    before: listing.Before = None,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List actions, newest first.

    Example: billing-worker action list --actor token:shop
    """
    with session(as_json=as_json) as work:
        wanted = {"subject_id": subject, "actor": actor, "verb": verb, **listing.between(work, "acted", after, before)}
        empty, most = "No action matches.", None if everything else limit
        show_list(work, Kind.ACTIONS, wanted, COLUMNS, most=most, empty=empty)
