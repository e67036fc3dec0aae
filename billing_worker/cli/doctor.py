"""`billing-worker doctor`."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Annotated

import typer

from billing_worker.cli import checks, checks_of_settings
from billing_worker.cli.checks_of_alerts import ways_of_alerts
from billing_worker.cli.finding import Finding, Verdict, failed
from billing_worker.cli.output import AsJson, Output
from billing_worker.cli.session import quiet_logs
from billing_worker.config import Settings, language_asked_for, load_settings
from billing_worker.domain.calendar import DEFAULT_ZONE
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.texts.words import Words

COLUMNS = ("verdict", "check", "detail", "way_out")


SEND_HELP = "Also send one test message by each way of alerts: the only proof that they arrive."
Send = Annotated[bool, typer.Option("--send", help=SEND_HELP)]


def doctor(*, send: Send = False, as_json: AsJson = False) -> None:
    """Check settings, database, broker, processes, gateway, clocks, the ways of alerts and exposure to the network.

    It does what a worker does: it takes the lock of charges and writes a row, which is rolled back; it puts a message
    into the broker under a key of its own, and takes it out; it logs in at the mail server, and names sender and
    recipients there without a mail. Each line is ok, warn or fail, with the way out. Nothing is charged or changed. The
    exit status is 1 if anything failed.

    Example: billing-worker doctor
    """
    quiet_logs()
    settings, findings = _settings()
    words = Words(settings.language if settings is not None else language_asked_for())
    findings += _of(settings, words, send=send) if settings is not None else []
    healthy = all(finding.verdict is not Verdict.FAIL for finding in findings)
    out = Output(as_json, DEFAULT_ZONE, words)
    if as_json:
        out.json({"ok": healthy, "checks": [asdict(finding) for finding in findings]})
    else:
        named = [replace(each, check=words.say(f"check.{each.check.replace(' ', '_')}")) for each in findings]
        out.rows([asdict(each) for each in named], COLUMNS, empty="")
    if not healthy:
        raise typer.Exit(1)


def _settings() -> tuple[Settings | None, list[Finding]]:
    """The settings, or a failed check for each that is wrong."""
    try:
        return load_settings(), []
    except SettingsInvalid as error:
        words = Words(language_asked_for())
        return None, [failed("settings", SettingsInvalid(problem), words) for problem in error.problems]


def _of(settings: Settings, words: Words, *, send: bool) -> Iterator[Finding]:
    found = checks_of_settings.usable(settings)
    yield from checks_of_settings.findings(found, words)
    if found.has_database:
        yield from checks.database(found.settings, words)
    if found.has_broker:
        yield from checks.broker(found.settings, words)
    yield from ways_of_alerts(found, words, send=send)
    yield from checks.exposure(settings, words)
    yield from checks.sources(settings, words)
    yield from checks.time_machine(settings, words)
    yield from checks.budgets(settings, words)
