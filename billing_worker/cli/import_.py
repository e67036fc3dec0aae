"""`billing-worker import FILE.csv`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from billing_worker.cli import import_rows
from billing_worker.cli.import_file import read_customers
from billing_worker.cli.import_report import Report, write_rejects
from billing_worker.cli.import_rows import Became, Importer, Outcome
from billing_worker.cli.output import AsJson, Output, View, advancing
from billing_worker.cli.session import session
from billing_worker.domain.errors import Unavailable

MOST_REJECTS = 20
"""Rejected rows shown on the screen; the file has all of them."""

SOME_REJECTED = 3
"""The exit status of a run that rejected a row, distinct from a failure and from a wrong command line."""


@dataclass(slots=True)
class Result:
    """The result of importing a file."""

    counts: Counter[Became] = field(default_factory=Counter)
    rejected: list[Outcome] = field(default_factory=list)

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count some rows."""
        self.counts.update(each.became for each in outcomes)
        self.rejected += [each for each in outcomes if each.became is Became.REJECTED]


def import_(
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

    Example: billing-worker import customers.csv --dry-run
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


def _report(out: Output, result: Result, rejects: Path | None, report: Path | None, *, dry_run: bool) -> None:
    rejected: list[View] = [
        {"line": each.row.line, "field": each.field, "problem": each.detail} for each in result.rejected
    ]
    imported, skipped, refused = (result.counts[became] for became in Became)
    if out.as_json:
        counts = {"imported": imported, "skipped": skipped, "rejected": refused}
        files = {"rejects_file": rejects, "report_file": report}
        out.json({"dry_run": dry_run, **counts, **files, "rejected_rows": rejected})
        return
    done = "would be imported" if dry_run else "imported"
    out.say(f"{imported} {done}, {skipped} in already, {refused} rejected.")
    out.section("Rejected", rejected[:MOST_REJECTS], ("line", "field", "problem"))
    if len(rejected) > MOST_REJECTS:
        out.say(f"… and {len(rejected) - MOST_REJECTS} more.")
    if rejects is not None:
        out.say("")
        out.say(f"The rejected rows, with the reasons, are in {rejects}; correct them there and import that file.")
    if report is not None:
        out.say(f"The result of every row is in {report}.")
