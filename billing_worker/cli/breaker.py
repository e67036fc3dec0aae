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
from billing_worker.usecases.control.environment import stand_and_compare
from billing_worker.usecases.control.stop_charging import clear_stop, stop_on_word, stops
from billing_worker.usecases.reading.one import pg_providers
from billing_worker.usecases.reading.views.control import of_stop

app = typer.Typer(help="Stop the line: no new charges for all, one PG or one subscription, until you clear the stop.")

COLUMNS = ("id", "scope", "cause", "reason", "waiting_invoices", "opened_at")


@app.command("list")
def list_(
    *,
    cleared: Annotated[bool, typer.Option("--cleared", help="Also show cleared stops.")] = False,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List stops, their reasons, and the number of due invoices that wait.

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
    reason: Annotated[str, typer.Option(help="The reason, shown with the stop.")],
    everything: Annotated[bool, typer.Option("--all", help="Stop all charging.")] = False,
    pg: Annotated[str | None, typer.Option(help="Stop one PG, e.g. nice_v2.")] = None,
    subscription: Annotated[str | None, typer.Option(metavar="ID", help="Stop one subscription.")] = None,
    as_json: AsJson = False,
) -> None:
    """Stop charging. After this returns no new charge begins. Charges that were already sent are settled.

    Periods are opened, outcomes read and refunds made as always. Due invoices wait and keep their order.

    Example: billing-worker breaker trip --all --reason "amounts look wrong"
    """
    with session(as_json=as_json) as work:
        scope = _scope(pg, subscription, everything=everything)
        _refuse_nobodys(work, pg)
        stopped = stop_on_word(work.ports, scope, reason)
        work.out.record(of_stop(stopped.stop, stopped.waiting))
        work.out.say(f"No new charge begins in this scope. Due invoices that wait now: {stopped.waiting}.")
        work.out.say(f"To resume: billing-worker breaker clear {stopped.stop.id} --note '...'")


@app.command()
def clear(
    stop_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=HIGHEST, help="The number that `breaker list` shows.")
    ],
    *,
    note: Annotated[str, typer.Option(help="What you found and decided. It is stored.")],
    as_json: AsJson = False,
) -> None:
    """Clear the stop. The breaches and invoices that caused it are accepted, and will not trigger another.

    A budget's window starts again, and a held invoice is charged. A breach that was found counts as known.

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
            work.out.say(f"Due invoices that waited: {stopped.waiting}. They are charged within seconds, oldest first.")


@app.command()
def claim(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Claim. Without this option, only show the differences.")] = False,
    uncompared: Annotated[
        bool, typer.Option("--uncompared", help="Claim although both books were not compared up to now.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Claim this database, with these credentials, as the one that charges. First shows the differences.

    Before you claim a restored backup or a promoted replica: the last commits may be missing in it. Make sure that the
    original has stopped charging, and run: billing-worker reconcile. Without such a comparison the claim is refused.

    Example: billing-worker breaker claim --yes
    """
    with session(as_json=as_json) as work:
        work.check_gateway()
        found = claim_environment(work.ports, compares=not uncompared) if yes else stand_and_compare(work.ports)
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
                "Nothing was claimed, and nothing is charged. If this database shall charge, compare both books"
            )
            work.out.say("and claim it: billing-worker reconcile; billing-worker breaker claim --yes")


def _scope(pg: str | None, subscription: str | None, *, everything: bool) -> str:
    wanted = [ALL] if everything else []
    wanted += [PG + pg] if pg is not None else []
    wanted += [SUBSCRIPTION + subscription] if subscription is not None else []
    if len(wanted) != 1:
        raise InvalidInput("scope", ", ".join(wanted), "give one of --all, --pg NAME and --subscription ID")
    return wanted[0]


def _refuse_nobodys(work: Session, pg: str | None) -> None:
    """Refuse a PG without keys: after a mistyped name, the command would report a stop while charging goes on."""
    if pg is None:
        return
    require_scope(PG + pg)
    known = pg_providers(work.ports)
    if pg not in known:
        names = f"the keys here have {', '.join(known)}" if known else "there are no keys"
        raise InvalidInput("pg", pg, f"no key has this PG, so this would stop nothing; {names}")
