"""`billing-worker inbox …`."""

from dataclasses import replace
from typing import Annotated

import typer

from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import HIGHEST, AsJson, Limit
from billing_worker.cli.parsing import day_or_moment
from billing_worker.cli.session import Session, session
from billing_worker.domain.errors import InvalidInput
from billing_worker.ports.incoming import Sought
from billing_worker.ports.lists import Kind
from billing_worker.usecases.incoming import replay as review
from billing_worker.usecases.incoming.apply import apply
from billing_worker.usecases.reading.one import notification_with

app = typer.Typer(help="Webhooks and pingbacks: show them and their results, and look into them again.")

COLUMNS = ("id", "source", "status", "foreign", "payload", "tries", "received_at", "note")

Status = Annotated[str | None, typer.Option(help="received, applied or ignored.")]
Source = Annotated[str | None, typer.Option(help="portone or paymentwall.")]
Foreign = Annotated[
    bool | None, typer.Option("--foreign/--ours", help="Only webhooks about merchant_uids that were never ours.")
]
Since = Annotated[str | None, typer.Option(help="First received on or after this day or time.")]
Stuck = Annotated[bool, typer.Option("--stuck", help="Only those that an operator must look at.")]


@app.command("list")
def list_(
    *,
    status: Status = None,
    source: Source = None,
    foreign: Foreign = None,
    since: Since = None,
    stuck: Stuck = False,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List webhooks and pingbacks, newest first.

    Example: billing-worker inbox list --status received
    """
    with session(as_json=as_json) as work:
        sought = _sought(work, status, source, since, foreign=foreign, stuck=stuck)
        wanted = {"status": sought.status, "source": sought.source, "foreign": sought.foreign}
        chosen = {**wanted, "received_after": sought.since, "stuck_at": sought.stuck_at}
        empty, most = "No notification matches.", None if everything else limit
        show_list(work, Kind.NOTIFICATIONS, chosen, COLUMNS, most=most, empty=empty)


@app.command()
def show(
    message_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=HIGHEST, help="The number that `inbox list` shows.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one notification: its fields (masked), its history, its result, and the gateway's last answer.

    Example: billing-worker inbox show 7
    """
    with session(as_json=as_json) as work:
        found = notification_with(work.ports, message_id)
        if as_json:
            work.out.json(found)
            return
        work.out.record(replace(found, payload={}, answer=None))
        work.out.part("What it says", found.payload)
        work.out.part("The gateway's last answer", found.answer)


@app.command()
def replay(
    message_id: Annotated[int | None, typer.Argument(metavar="[ID]", min=1, max=HIGHEST, help="One, at once.")] = None,
    *,
    status: Status = None,
    source: Source = None,
    foreign: Foreign = None,
    since: Since = None,
    yes: Annotated[bool, typer.Option("--yes", help="Look into several instead of counting them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look into one, or all with a status, again: read the gateway once more, and record its answer.

    A single one is handled at once. Workers handle several, foreign ones at their own pace. This moves no money, and a
    repeat changes nothing.

    Example: billing-worker inbox replay --status ignored --since 2026-11-01 --yes
    """
    with session(as_json=as_json) as work:
        if message_id is not None:
            if (status, source, foreign, since) != (None, None, None, None):
                raise InvalidInput("ID", message_id, "give either an ID or filters, not both")
            work.check_gateway()
            review.look_again(work.ports, message_id)
            apply(work.ports, message_id)
            work.out.record(notification_with(work.ports, message_id))
            return
        if status is None:
            raise InvalidInput("--status", "", "give an ID, or a status such as ignored")
        sought = _sought(work, status, source, since, foreign=foreign, stuck=False)
        count = review.look_again_at_all(work.ports, sought) if yes else review.count_sought(work.ports, sought)
        work.out.record({"replayed": count} if yes else {"would_replay": count})
        if not yes:
            work.out.say("Nothing was changed. To look into them again, add --yes")


def _sought(
    work: Session, status: str | None, source: str | None, since: str | None, *, foreign: bool | None, stuck: bool
) -> Sought:
    moment = day_or_moment("since", since, work.settings.timezone)
    return review.seek(work.ports, status=status, source=source, foreign=foreign, since=moment, stuck=stuck)
