"""`billing-worker breaker …`."""

from typing import Annotated

import typer

from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import HIGHEST, AsJson, Limit
from billing_worker.cli.session import Session, session
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.stop import ALL, PG, SUBSCRIPTION, require_scope
from billing_worker.ports.lists import Kind
from billing_worker.usecases.control.environment import accept_fingerprint as claim_environment
from billing_worker.usecases.control.environment import compared
from billing_worker.usecases.control.stop_charging import clear_stop, stop_on_word, stops
from billing_worker.usecases.reading.one import pg_providers
from billing_worker.usecases.reading.views.control import of_stop

app = typer.Typer(help="Stop the line: no new charges for all, one PG or one subscription, until you clear it.")

COLUMNS = ("id", "scope", "cause", "reason", "waiting_invoices", "opened_at")


@app.command("list")
def list_(
    *,
    cleared: Annotated[bool, typer.Option("--cleared", help="Show cleared ones, too.")] = False,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List where charging is stopped, why, and how many due invoices wait for it.

    Example: billing-worker breaker list
    """
    with session(as_json=as_json) as work:
        columns = (*COLUMNS, "closed_at", "note") if cleared else COLUMNS
        wanted = {"open": None if cleared else True}
        most = None if everything else limit
        show_list(work, Kind.STOPS, wanted, columns, most=most, empty="Nothing is stopped.")


@app.command()
def trip(
    *,
    reason: Annotated[str, typer.Option(help="Why; whoever meets the stop reads it.")],
    everything: Annotated[bool, typer.Option("--all", help="Stop all charging.")] = False,
    pg: Annotated[str | None, typer.Option(help="Stop one PG, e.g. nice_v2.")] = None,
    subscription: Annotated[str | None, typer.Option(metavar="ID", help="Stop one subscription.")] = None,
    as_json: AsJson = False,
) -> None:
    """Stop charging. When this returns no new charge begins; what was sent already ends as it ends.

    Periods are opened, outcomes are read and refunds are made as always; due invoices wait and keep their place.

    Example: billing-worker breaker trip --all --reason "amounts look wrong"
    """
    with session(as_json=as_json) as work:
        scope = _scope(pg, subscription, everything=everything)
        _refuse_nobodys(work, pg)
        stopped = stop_on_word(work.ports, scope, reason)
        work.out.record(of_stop(stopped.stop, stopped.waiting))
        work.out.say(f"No new charge begins there. Due invoices that wait now: {stopped.waiting}.")
        work.out.say(f"To go on: billing-worker breaker clear {stopped.stop.id} --note '...'")


@app.command()
def clear(
    stop_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=HIGHEST, help="The number that `breaker list` shows.")
    ],
    *,
    note: Annotated[str, typer.Option(help="What you found and decided; it is kept.")],
    as_json: AsJson = False,
) -> None:
    """Let charges go on, and accept what the stop was about: it trips no second time for the same.

    A budget's window begins anew, and an invoice that was held is charged. A breach that was found counts as known.

    Example: billing-worker breaker clear 7 --note "checked with the bank"
    """
    with session(as_json=as_json) as work:
        stopped = clear_stop(work.ports, stop_id, note)
        work.out.record(of_stop(stopped.stop, stopped.waiting))
        others = [each.stop.id for each in stops(work.ports, limit=100)]
        if others:
            numbers = ", ".join(map(str, others))
            work.out.say(f"Still stopped by {numbers}; see: billing-worker breaker list")
        else:
            work.out.say(f"Charged within seconds, oldest first; due invoices that waited: {stopped.waiting}.")


@app.command()
def claim(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Claim; without this it only shows.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say that this database, with these credentials, is the one that shall charge. Shows first what differs.

    Before you claim a restored backup or a promoted replica: the last commits may be missing in it. Make sure that the
    original charges nothing any more, and run: billing-worker reconcile

    Example: billing-worker breaker claim --yes
    """
    with session(as_json=as_json) as work:
        work.check_gateway()
        found = claim_environment(work.ports) if yes else compared(work.ports)
        here, before = found.here, found.claimed
        view = {
            "claimed": yes or not found.differences,
            "differences": found.differences,
            "database": here.database,
            "gateway": here.gateway,
            "environment": here.environment,
            "claimed_database": before.database if before else None,
        }
        work.out.record(view)
        if found.differences and not yes:
            work.out.say(
                "Nothing was changed. If this is the one that shall charge: billing-worker breaker claim --yes"
            )


def _scope(pg: str | None, subscription: str | None, *, everything: bool) -> str:
    wanted = [ALL] if everything else []
    wanted += [PG + pg] if pg is not None else []
    wanted += [SUBSCRIPTION + subscription] if subscription is not None else []
    if len(wanted) != 1:
        raise InvalidInput("scope", ", ".join(wanted), "give one of --all, --pg NAME and --subscription ID")
    return wanted[0]


def _refuse_nobodys(work: Session, pg: str | None) -> None:
    """Who mistypes a name in a hurry would read that charging is stopped, while it goes on."""
    if pg is None:
        return
    require_scope(PG + pg)
    known = pg_providers(work.ports)
    if pg not in known:
        names = f"the keys here have {', '.join(known)}" if known else "there are no keys"
        raise InvalidInput("pg", pg, f"no key has this PG, nothing would be stopped; {names}")
