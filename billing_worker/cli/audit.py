"""`billing-worker audit`."""

from datetime import datetime
from typing import Annotated

import typer

from billing_worker.cli.output import AsJson, View
from billing_worker.cli.parsing import moment
from billing_worker.cli.session import session
from billing_worker.domain.audit import Breach, Checked
from billing_worker.domain.stop import ALL
from billing_worker.usecases.review.audit import audit as run_audit

COLUMNS = ("invariant", "checked", "rows", "breaches", "accepted", "verdict")
BREACHES = ("invariant", "subject", "detail")

SAMPLE = 100
"""Approvals read back from the gateway: enough to see a pattern, few enough for a minute."""


def audit(
    *,
    since: Annotated[str | None, typer.Option(help="Only rows changed since then, ISO 8601 with a zone.")] = None,
    gateway: Annotated[
        bool, typer.Option("--gateway/--no-gateway", help="Also read the newest approvals back from the gateway.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Check the invariants in the database and at the gateway. The exit status is 1 on a breach.

    A breach in our own books that may mean wrong money or a leaked secret stops all charging. A breach about a single
    payment at the gateway stops at most its subscription; many of them stop all. Any other breach opens an alert.
    Breaches that an operator accepted by clearing a stop do not count.

    A large database is looked at in windows. Standard error tells how far it has come: --since goes on from there.

    Example: billing-worker audit --no-gateway
    """
    with session(as_json=as_json) as work:
        if gateway:
            work.check_gateway()
        found = run_audit(work.ports, since=moment("since", since), sample=SAMPLE if gateway else 0, tell=_reached)
        views = [_shown(check) for check in found.checks]
        broken = [_breach(check, breach) for check in found.checks for breach in check.breaches]
        if as_json:
            stopped = found.stop.id if found.stop else None
            work.out.json({"ok": not found.breaches, "stop": stopped, "checks": views, "breaches": broken})
        else:
            work.out.rows(views, COLUMNS, empty="")
            work.out.section("Breaches", broken, BREACHES)
            for stop in found.stops:
                where = "All charging" if stop.scope == ALL else f"Charging of {stop.scope}"
                work.out.say(f"\n{where} is stopped: billing-worker breaker list (number {stop.id})", "red")
        if found.breaches:
            raise typer.Exit(1)


def _reached(until: datetime) -> None:
    """On standard error: how far a long audit has come, so that one that is cut off can go on from there."""
    typer.echo(f"everything until {until.isoformat()} was looked at", err=True)


def _shown(check: Checked) -> View:
    verdict = "ok" if not check.breaches else "fail" if check.stopping else "warn"
    return {
        "invariant": check.invariant,
        "checked": check.what,
        "rows": check.rows,
        "breaches": len(check.breaches),
        "accepted": check.accepted,
        "verdict": verdict,
    }


def _breach(check: Checked, breach: Breach) -> View:
    return {"invariant": check.invariant, "subject": breach.subject, "detail": breach.detail}
