"""`billing-worker event …`."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.parsing import day_or_moment
from billing_worker.cli.session import Session, session
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.events import EventType
from billing_worker.ports.lists import Kind
from billing_worker.ports.outgoing import EventFilter, EventStatus
from billing_worker.usecases.outgoing.replay import MOST_EVENTS, send_again, send_range_again
from billing_worker.usecases.outgoing.replay import enable as enable_endpoint
from billing_worker.usecases.outgoing.replay import endpoint as receiver
from billing_worker.usecases.reading.one import event_with
from billing_worker.usecases.reading.views.traffic import of_endpoint, of_event

app = typer.Typer(help="Outgoing events: show them, send them again, and show the health of your receiver.")

COLUMNS = ("id", "type", "subject_id", "sequence", "status", "occurred_at", "tries", "next_try_at", "note")

Of = Annotated[str | None, typer.Option("--subscription", metavar="ID", help="sub_…: only of this subscription.")]
Type = Annotated[EventType | None, typer.Option("--type", help="Only of this type.")]
Since = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Only events since this day, or this time with a zone.")
]
Failed = Annotated[bool, typer.Option("--failed", help="Only those refused at least once and not delivered.")]
GivenUp = Annotated[bool, typer.Option("--given-up", help="Only those given up after three days.")]


class Action(StrEnum):
    """What to do with the receiver."""

    STATUS = "status"
    ENABLE = "enable"


@app.command("list")
def list_(
    *,
    subscription: Of = None,
    kind: Type = None,
    failed: Failed = False,
    given_up: GivenUp = False,
    since: Since = None,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List events for your receiver, newest first.

    Example: billing-worker event list --failed
    """
    with session(as_json=as_json) as work:
        wanted = {
            "subscription_id": subscription,
            "type": kind.value if kind else None,
            "failed": failed or None,
            "status": EventStatus.GIVEN_UP if given_up else None,
            "occurred_after": day_or_moment("since", since, work.settings.timezone),
        }
        empty, most = "There are no such events.", None if everything else limit
        show_list(work, Kind.EVENTS, wanted, COLUMNS, most=most, empty=empty)


@app.command()
def show(event_id: Annotated[str, typer.Argument(metavar="ID", help="evt_…")], *, as_json: AsJson = False) -> None:
    """Show one event: its contents and its delivery.

    Example: billing-worker event show evt_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        work.out.record(event_with(work.ports, event_id))


@app.command()
def replay(
    event_id: Annotated[str | None, typer.Argument(metavar="ID", help="evt_…; or a range by the options.")] = None,
    *,
    subscription: Of = None,
    kind: Type = None,
    failed: Failed = False,
    given_up: GivenUp = False,
    since: Since = None,
    yes: Annotated[bool, typer.Option("--yes", help="Replay a range without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send an event again, or all of a range, ten a second. The webhook-id stays the same: receivers drop known events.

    At most the oldest 100,000 at once; the output says if there may be more.

    Example: billing-worker event replay --given-up --since 2026-03-01 --yes
    """
    chosen = any((subscription, kind, failed, given_up, since))
    if (event_id is not None) == chosen:
        raise InvalidInput("event", event_id, "give either one event or a range, e.g. --given-up or --since 2026-03-01")
    with session(as_json=as_json) as work:
        if event_id is not None:
            message = send_again(work.ports, event_id)
            work.out.record(of_event(message), headline=f"Event {message.id} is sent again")
            return
        wanted = _filter(work, subscription, kind, since, failed=failed, given_up=given_up)
        if not yes:
            _ask()
        count = send_range_again(work.ports, wanted)
        more = count >= MOST_EVENTS
        work.out.record({"replayed": count, "perhaps_more": True} if more else {"replayed": count})
        if more:
            work.out.say("These are the oldest, and the most at once. For more, run it again with a later --since.")


@app.command()
def endpoint(
    action: Annotated[Action, typer.Argument(help="status or enable")] = Action.STATUS, *, as_json: AsJson = False
) -> None:
    """Show the health of your receiver, or enable a disabled one.

    Example: billing-worker event endpoint enable
    """
    with session(as_json=as_json) as work:
        found = enable_endpoint(work.ports) if action is Action.ENABLE else receiver(work.ports)
        work.out.record(of_endpoint(found))


def _filter(
    work: Session,
    subscription: str | None,
    kind: EventType | None,
    since: str | None,
    *,
    failed: bool,
    given_up: bool,
) -> EventFilter:
    moment = day_or_moment("since", since, work.settings.timezone)
    return EventFilter(subscription, kind.value if kind else None, failed=failed, given_up=given_up, since=moment)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise InvalidInput("yes", None, "a range is replayed only with --yes, or after a confirmation on a terminal")
    typer.confirm("Send all events of this range again?", abort=True, err=True)
