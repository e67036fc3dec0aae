"""`billing-worker alert …`."""

from typing import Annotated

import typer

from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import HIGHEST, AsJson, Limit
from billing_worker.cli.session import in_words, session
from billing_worker.ports.lists import Kind
from billing_worker.texts.alerts import action_lines
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.usecases.reading.one import alert_with

app = typer.Typer(help="Alerts for operators.")

COLUMNS = ("id", "severity", "kind", "subject_id", "detail", "proposal", "opened_at")


@app.command("list")
def list_(
    *,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    subject: Annotated[str | None, typer.Option(metavar="ID", help="Only about this object.")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Show closed ones instead.")] = False,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List open alerts, newest first. docs/runbook.md explains each kind.

    Example: billing-worker alert list
    """
    with session(as_json=as_json) as work:
        wanted = {"open": not closed, "kind": kind, "subject_id": subject}
        columns = (*COLUMNS, "closed_at") if closed else COLUMNS
        empty = work.words.say("alert.none_closed" if closed else "alert.none_open")
        most = None if everything else limit
        show_list(in_words(work), Kind.ALERTS, wanted, columns, most=most, empty=empty)


@app.command()
def show(
    alert_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=HIGHEST, help="The number that `alert list` shows.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one alert, open or closed: its cause, its ways out, and the gateway's answer (card numbers masked).

    Example: billing-worker alert show 7
    """
    with session(as_json=as_json) as work:
        found = alert_with(work.ports, alert_id, work.settings.language)
        out = in_words(work).out
        out.record(found, headline=found.title, without=("title", "proposal", "facts"))
        for line in action_lines(found.actions, found.proposal):
            out.say(f"- {line}")
        out.part(work.words.say("alert.evidence"), found.evidence)


@app.command()
def close(
    alert_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=HIGHEST, help="The number that `alert list` shows.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Close an alert that you have dealt with. If the trouble returns, a new alert opens.

    Example: billing-worker alert close 7
    """
    with session(as_json=as_json) as work:
        close_alert(work.ports, alert_id)
        closed = alert_with(work.ports, alert_id, work.settings.language)
        in_words(work).out.record(
            closed, headline=work.words.say("alert.is_closed", alert=alert_id), without=("facts",)
        )
