"""`billing-worker alert …`."""

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import HIGHEST, AsJson, Limit
from billing_worker.cli.session import session
from billing_worker.ports.lists import Kind
from billing_worker.texts.alerts import action_lines, shown, view
from billing_worker.usecases.control.alerts import close_alert

app = typer.Typer(help="Alerts: what an operator must look at.")

COLUMNS = ("id", "severity", "kind", "subject_id", "detail", "proposal", "opened_at")


@app.command("list")
def list_(
    *,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    subject: Annotated[str | None, typer.Option(metavar="ID", help="Only about this thing.")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Show closed ones instead.")] = False,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List open alerts, newest first. docs/runbook.md says what to do about each kind.

    Example: billing-worker alert list
    """
    with session(as_json=as_json) as work:
        wanted = {"open": not closed, "kind": kind, "subject_id": subject}
        columns = (*COLUMNS, "closed_at") if closed else COLUMNS
        empty = "No alert was closed." if closed else "No alert is open."
        most = None if everything else limit
        shown_as = partial(view, language=work.settings.language)
        show_list(work, Kind.ALERTS, wanted, shown_as, columns, most=most, empty=empty)


@app.command()
def show(
    alert_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=HIGHEST, help="The number that `alert list` shows.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one alert, open or closed: what happened, what to do, and what the gateway said (card numbers masked).

    Example: billing-worker alert show 7
    """
    with session(as_json=as_json) as work, work.ports.database.transaction() as uow:
        alert = uow.alerts.get(alert_id)
        evidence = None if alert.evidence_id is None else asdict(uow.evidence(alert.evidence_id))
        language = work.settings.language
        if as_json:
            work.out.json({**view(alert, language), "evidence": evidence})
            return
        fields = view(alert, language)
        for name in ("title", "proposal", "facts", "actions"):
            del fields[name]
        words = shown(alert, language)
        work.out.record(fields, headline=words.title)
        for line in action_lines(words):
            work.out.say(f"- {line}")
        if evidence is not None:
            work.out.say("")
            work.out.say("What the gateway said", "bold")
            work.out.record(evidence)


@app.command()
def close(
    alert_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=HIGHEST, help="The number that `alert list` shows.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Close an alert that you have dealt with. The same trouble opens a new one.

    Example: billing-worker alert close 7
    """
    with session(as_json=as_json) as work:
        close_alert(work.ports, alert_id)
        work.out.record({"id": alert_id, "status": "closed"})
