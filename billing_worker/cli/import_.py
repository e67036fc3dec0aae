"""`billing-worker import FILE.csv`."""

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from billing_worker.cli.import_file import REASON, CustomerFile, Row, read_customers
from billing_worker.cli.import_rows import Importer
from billing_worker.cli.output import AsJson, Output, View, followed
from billing_worker.cli.session import session
from billing_worker.domain.errors import Conflict, InvalidInput, Unavailable

MOST_SHOWN = 20
"""Rejected rows on the screen; all of them are in the file."""


@dataclass(slots=True)
class Result:
    """What became of the file."""

    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[Row, str, str]] = field(default_factory=list)

    def take(self, importer: Importer, row: Row) -> None:
        """Import one row and keep what became of it."""
        try:
            done = importer.take(row)
        except (InvalidInput, Conflict) as error:
            self.counts["rejected"] += 1
            self.rejected.append((row, error.field or "line", str(error)))
        else:
            self.counts["imported" if done.imported else "skipped"] += 1


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Comma-separated, UTF-8, first line: the columns.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register billing keys and subscribe their customers, from a CSV file.

    Columns, in any order: customer_uid, pg_provider, plan_id, customer; and if you like start (ISO 8601 with a zone;
    now where it is empty), buyer_name, buyer_email, buyer_tel. A start of more than a day ago is an anchor only: the
    periods that began since then count as charged elsewhere, and the first charge comes with the next one.

    Each row is a transaction of its own: key and subscription together, or neither. Rows that are in already are
    skipped, so the same file can be run again. Rejected rows are listed and written to FILE.rejected.csv with the
    reason; correct them there and import that file. The exit status is 1 if any row was rejected.

    Example: billing-worker import customers.csv --dry-run
    """
    customers = read_customers(file)
    rejects = file.with_name(f"{file.stem}.rejected.csv")
    result = Result()
    with session(as_json=as_json) as work:
        importer = Importer(work.ports, dry_run=dry_run)
        try:
            for row in followed(list(customers.rows()), "Importing"):
                result.take(importer, row)
        except Unavailable as error:
            done = f"{result.counts['imported']} rows were imported before; run the same command again to go on"
            raise Unavailable(f"{error}; {done}") from error
        finally:
            # Also when the database went away or Ctrl-C was pressed: what was refused until then is kept.
            if result.rejected and not dry_run:
                _write(rejects, customers, result)
        _tell(work.out, result, None if dry_run or not result.rejected else rejects, dry_run=dry_run)
    if result.rejected:
        raise typer.Exit(1)


def _write(path: Path, customers: CustomerFile, result: Result) -> None:
    kept = [index for index, name in enumerate(customers.header) if name != REASON]
    try:
        # With a byte order mark, without which Excel takes UTF-8 for its own encoding.
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*(customers.header[index] for index in kept), REASON])
            for row, _, problem in result.rejected:
                cells = [row.cells[index] if index < len(row.cells) else "" for index in kept]
                writer.writerow([*cells, f"line {row.line}: {problem}"])
    except OSError as error:
        raise InvalidInput("file", str(path), f"cannot be written: {error.strerror}") from error


def _tell(out: Output, result: Result, rejects: Path | None, *, dry_run: bool) -> None:
    rejected: list[View] = [
        {"line": row.line, "field": name, "problem": problem} for row, name, problem in result.rejected
    ]
    counts = {name: result.counts[name] for name in ("imported", "skipped", "rejected")}
    if out.as_json:
        out.json({"dry_run": dry_run, **counts, "rejects_file": rejects, "rejected_rows": rejected})
        return
    done = "would be imported" if dry_run else "imported"
    out.say(f"{counts['imported']} {done}, {counts['skipped']} in already, {counts['rejected']} rejected.")
    out.section("Rejected", rejected[:MOST_SHOWN], ("line", "field", "problem"))
    if len(rejected) > MOST_SHOWN:
        out.say(f"… and {len(rejected) - MOST_SHOWN} more.")
    if rejects is not None:
        out.say("")
        out.say(f"The rejected rows, with the reasons, are in {rejects}; correct them there and import that file.")
