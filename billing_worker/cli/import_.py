"""`billing-worker import …`: customers from a CSV file, and from PortOne's schedules."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from billing_worker.cli import import_portone, import_rows, options
from billing_worker.cli.import_file import read_customers
from billing_worker.cli.import_report import Report, write_rejects
from billing_worker.cli.import_rows import Became, Importer, Outcome
from billing_worker.cli.output import AsJson, Output, View, advancing
from billing_worker.cli.session import session
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.schedule import Collection

MOST_REJECTS = 20
"""Rejected rows shown on the screen; the file has all of them."""

SOME_REJECTED = 3
"""The exit status of a run that rejected a row, distinct from a failure and from a wrong command line."""


@dataclass(slots=True)
class Result:
    """The result of importing a file."""

    counts: Counter[Became] = field(default_factory=Counter)
    rejected: list[Outcome] = field(default_factory=list)
    planned: list[View] = field(default_factory=list)
    """What a run without --apply would do, row by row."""

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count some rows."""
        self.counts.update(each.became for each in outcomes)
        self.rejected += [each for each in outcomes if each.became is Became.REJECTED]


app = typer.Typer(help="Register keys and subscribe customers from a CSV file; move in from PortOne's schedules.")


@app.command("csv")
def csv_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="CSV, UTF-8. The first line names the columns.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row without changing anything.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="REPORT.csv", help="Write every row with its result to this file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register billing keys and subscribe their customers, from a CSV file.

    Columns, in any order: customer_uid, pg_provider, plan_id, customer; and optionally start (ISO 8601 with a zone;
    default: now), buyer_name, buyer_email, buyer_tel, external_id, allow_duplicate. Korean names and the other rules:
    docs/import.md. A start more than a day ago is only an anchor: the periods since then count as charged elsewhere,
    and the next period is the first to be charged.

    A row is stored as a whole or not at all. A row that equals stored data is skipped, so the same file can be imported
    again. A row that contradicts stored data is rejected. Rejected rows are listed and written, with the reason, to a
    file of this run (FILE.rejected.csv, FILE.rejected-2.csv, ...); correct them there and import that file. The exit
    status is 3 if any row was rejected.

    Example: billing-worker import csv customers.csv --dry-run
    """
    customers = read_customers(file)
    result, rejects = Result(), None
    with session(as_json=as_json) as work:
        importer, reported = Importer(work.ports, dry_run=dry_run), Report(report)
        rows = list(customers.rows())
        try:
            with advancing(len(rows), "Importing") as advance:
                for first in range(0, len(rows), import_rows.TOGETHER):
                    some = rows[first : first + import_rows.TOGETHER]
                    outcomes = importer.take(some)
                    result.add(outcomes)
                    reported.add(outcomes, dry_run=dry_run)
                    advance(len(some))
        except Unavailable as error:
            done = f"{result.counts[Became.IMPORTED]} rows were imported before; run the same command again to go on"
            raise Unavailable(f"{error}; {done}") from error
        finally:
            reported.close()
            # Also after a database failure or Ctrl-C: the rows rejected so far are kept.
            if result.rejected and not dry_run:
                rejects = write_rejects(customers, result.rejected)
        _report(work.out, result, rejects, report, dry_run=dry_run)
    if result.rejected:
        raise typer.Exit(SOME_REJECTED)


@app.command()
def portone(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="CSV, UTF-8. The first line names the columns.")],
    *,
    plan: Annotated[str | None, typer.Option(metavar="ID", help="plan_…: for rows without a plan.")] = None,
    collection: Annotated[Collection, typer.Option(help=options.COLLECTION)] = Collection.WORKER,
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without this, the plan is shown, row by row.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="REPORT.csv", help="Write every row with its result to this file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Move customers in whom PortOne's schedules charge today. Without --apply nothing is changed.

    Columns: customer_uid, customer; and optionally plan_id, start, pg_provider, buyer_name, buyer_email, buyer_tel,
    external_id, allow_duplicate. For each customer, PortOne is read: the key, what is scheduled, and the last payment.
    The next charge is the next scheduled one; without any, it is one period after the last payment. Turn the old
    program's renewal off first, so that it registers no further schedule.

    A customer is stored as a whole, and only then the schedules at PortOne are revoked (with --collection
    portone_schedule they are kept, and go on as ours). A customer who is charged within 24 hours, whose price differs
    from the plan's, or whose schedules do not fit the plan's dates, is refused with the reason. The same command may be
    run again: it goes on where it stopped. The exit status is 3 if any row was refused.

    Example: billing-worker import portone customers.csv --plan plan_0123456789abcdef
    """
    customers = read_customers(file, import_portone.NEEDED)
    result = Result()
    with session(as_json=as_json) as work:
        movers = import_portone.Movers(work.ports, plan, collection, apply)
        reported, rows = Report(report), list(customers.rows())
        try:
            with advancing(len(rows), "Moving in") as advance:
                for outcome in movers.take(rows):
                    result.add([outcome])
                    reported.add([outcome], dry_run=not apply)
                    if outcome.became is not Became.REJECTED and not apply:
                        customer = outcome.row.values.get("customer")
                        result.planned.append({"line": outcome.row.line, "customer": customer, "plan": outcome.detail})
                    advance(1)
        except Unavailable as error:
            done = f"{result.counts[Became.IMPORTED]} rows were moved before; run the same command again to go on"
            raise Unavailable(f"{error}; {done if apply else 'nothing was changed'}") from error
        finally:
            reported.close()
        rejects = write_rejects(customers, result.rejected) if result.rejected and apply else None
        _report(work.out, result, rejects, report, dry_run=not apply)
    if result.rejected:
        raise typer.Exit(SOME_REJECTED)


def _report(out: Output, result: Result, rejects: Path | None, report: Path | None, *, dry_run: bool) -> None:
    rejected: list[View] = [
        {"line": each.row.line, "field": each.field, "problem": each.detail} for each in result.rejected
    ]
    imported, skipped, refused = (result.counts[became] for became in Became)
    if out.as_json:
        counts: View = {"imported": imported, "skipped": skipped, "rejected": refused}
        counts = {**counts, "planned_rows": result.planned} if result.planned else counts
        files = {"rejects_file": rejects, "report_file": report}
        out.json({"dry_run": dry_run, **counts, **files, "rejected_rows": rejected})
        return
    done = "would be imported" if dry_run else "imported"
    out.say(f"{imported} {done}, {skipped} in already, {refused} rejected.")
    if result.planned:
        out.section("Planned", result.planned, ("line", "customer", "plan"))
    out.section("Rejected", rejected[:MOST_REJECTS], ("line", "field", "problem"))
    if len(rejected) > MOST_REJECTS:
        out.say(f"… and {len(rejected) - MOST_REJECTS} more.")
    if rejects is not None:
        out.say("")
        out.say(f"The rejected rows, with the reasons, are in {rejects}; correct them there and import that file.")
    if report is not None:
        out.say(f"The result of every row is in {report}.")
