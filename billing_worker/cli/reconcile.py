"""`billing-worker reconcile`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

import typer

from billing_worker.cli.output import AsJson, View, followed
from billing_worker.cli.parsing import day_or_moment
from billing_worker.cli.session import Session, session
from billing_worker.domain.alerts import WayOut
from billing_worker.domain.comparing import Finding
from billing_worker.domain.comparison import LONGEST_LOOK_BACK, ComparisonStatus
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.language import Language
from billing_worker.texts.alerts import ways_out
from billing_worker.texts.commands import COMMANDS
from billing_worker.usecases.charge.reconcile import open_attempts
from billing_worker.usecases.charge.reconcile import reconcile as look
from billing_worker.usecases.reading.one import attempt_with, comparison_with
from billing_worker.usecases.reading.report import compared_until, has_open_alerts
from billing_worker.usecases.review.compare import Compared, compare, plan
from billing_worker.usecases.review.schedules import findings, review_schedules
from billing_worker.usecases.schedule.compare import ListUnread

ATTEMPTS = ("attempt", "invoice", "was", "became", "reason", "next_look_at")
FINDINGS = ("kind", "imp_uid", "invoice_id", "merchant_uid", "done", "proposal")


def reconcile(
    *,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Compare from this day or time on, e.g. 2026-01-01.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Compare this many days back.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look up every attempt whose outcome is open, then compare both books: PortOne's lists and ours.

    The lists are those of payments, and of the schedules by which PortOne is going to charge.

    Findings that a single read proves are booked; all others become alerts with a proposal. Nothing is charged, and no
    booking is undone. Only two reads, a settle window apart, prove that the gateway has no payment. Without --since and
    --days, it compares the worker's next span and an hour more.

    The exit status is 0 when all is well, 1 while an alert is open or the books could not be compared as a whole.

    Example: billing-worker reconcile --days 7
    """
    with session(as_json=as_json) as work:
        work.check_gateway()
        start = _start(work, since, days)
        ids = open_attempts(work.ports)
        attempts = [_looked(work, attempt_id) for attempt_id in followed(ids, "Reading the gateway")]
        planned = plan(work.ports, start)
        read = {each: compare(work.ports, each) for each in followed(planned, "Comparing both books")}
        spans = [each for each in read.values() if each is not None]
        elsewhere = [each for each, found in read.items() if found is None and _is_unfinished(work, each)]
        trouble = [each.trouble for each in spans if each.trouble is not None]
        trouble += [f"a worker is already reading a part of it (comparison {each})" for each in elsewhere]
        found = [finding for span in spans for finding in span.findings]
        try:
            found += findings(review_schedules(work.ports))
        except ListUnread as unread:
            trouble.append(str(unread))
        if not _show(work, attempts, spans, list(dict.fromkeys(found)), trouble):
            raise typer.Exit(1)


def _is_unfinished(work: Session, comparison_id: int) -> bool:
    """Whether a span that another worker took over is unfinished.

    The output must not say that the books agree there.
    """
    return comparison_with(work.ports, comparison_id).status is not ComparisonStatus.DONE


def _start(work: Session, since: str | None, days: int | None) -> datetime | None:
    now = work.ports.clock.moment().billing
    if since is not None and days is not None:
        raise InvalidInput("days", days, "cannot be given together with --since")
    if days is not None:
        return now - timedelta(days=days)
    start = day_or_moment("since", since, work.settings.timezone)
    if start is not None and not now - LONGEST_LOOK_BACK <= start < now:
        raise InvalidInput("since", since, f"must lie in the past, at most {LONGEST_LOOK_BACK.days} days ago")
    return start


def _show(
    work: Session,
    attempts: Sequence[View],
    spans: Sequence[Compared],
    found: Sequence[Finding],
    trouble: Sequence[str],
) -> bool:
    """Print the findings; returns whether nothing is left for an operator."""
    shown = [_finding(finding, work.settings.language) for finding in found]
    until = compared_until(work.ports)
    alerts = has_open_alerts(work.ports)
    payments = sum(span.comparison.payments for span in spans)
    answer: dict[str, object] = {"attempts": attempts, "findings": shown, "payments": payments}
    answer |= {"compared_until": until, "trouble": trouble}
    if work.out.as_json:
        work.out.json(answer)
    else:
        work.out.rows(attempts, ATTEMPTS, empty="No attempt is open: every charge so far has a known outcome.")
        work.out.say("")
        work.out.rows(shown, FINDINGS, empty=_agreement(payments, whole=not trouble))
        for reason in trouble:
            work.out.say(f"Not compared as a whole; a worker tries again: {reason}", "bold red")
        if alerts:
            work.out.say("An alert is open; see: billing-worker alert list", "bold red")
    return not trouble and not alerts


def _finding(finding: Finding, language: Language) -> View:
    ways = (WayOut(action) for action in finding.actions if action not in COMMANDS)
    return {**asdict(finding), "proposal": ways_out(ways, language) or None}


def _agreement(payments: int, *, whole: bool) -> str:
    return f"Both books agree: {payments} payments were compared." if whole else f"{payments} payments were compared."


def _looked(work: Session, attempt_id: str) -> View:
    before = attempt_with(work.ports, attempt_id).status
    look(work.ports, attempt_id)
    after = attempt_with(work.ports, attempt_id)
    return {
        "attempt": attempt_id,
        "invoice": after.invoice_id,
        "was": before,
        "became": after.status,
        "reason": after.reason,
        "next_look_at": after.next_look_at,
    }
