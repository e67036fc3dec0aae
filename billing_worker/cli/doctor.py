"""`billing-worker doctor`."""

from collections.abc import Iterator
from dataclasses import asdict

import typer

from billing_worker.cli import checks
from billing_worker.cli.finding import Finding, Verdict, failed, ok
from billing_worker.cli.output import AsJson, Output
from billing_worker.cli.session import quiet_logs
from billing_worker.config import load_settings
from billing_worker.domain.calendar import DEFAULT_ZONE
from billing_worker.domain.errors import BillingError

COLUMNS = ("verdict", "check", "detail", "way_out")


def doctor(*, as_json: AsJson = False) -> None:
    """Check settings, database, broker, processes, notifications, gateway, clocks and exposure to the network.

    It does what a worker does: it takes the lock of charges and writes a row, which is rolled back; it puts a message
    into the broker under a key of its own, and takes it out. Each line is ok, warn or fail, with the way out. Nothing
    is charged or changed. The exit status is 1 if anything failed.

    Example: billing-worker doctor
    """
    quiet_logs()
    findings = list(_all())
    healthy = all(finding.verdict is not Verdict.FAIL for finding in findings)
    out = Output(as_json, DEFAULT_ZONE)
    if as_json:
        out.json({"ok": healthy, "checks": [asdict(finding) for finding in findings]})
    else:
        out.rows([asdict(finding) for finding in findings], COLUMNS, empty="")
    if not healthy:
        raise typer.Exit(1)


def _all() -> Iterator[Finding]:
    try:
        settings = load_settings()
    except BillingError as error:
        yield failed("settings", error)
        return
    yield ok("settings", "readable and consistent; see: billing-worker settings")
    yield from checks.database(settings)
    yield from checks.broker(settings)
    yield from checks.exposure(settings)
    yield from checks.sources(settings)
    yield from checks.time_machine(settings)
    yield from checks.budgets(settings)
