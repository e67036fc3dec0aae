"""The files about an import: the rejected rows, to be corrected and imported, and every row with its result."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from billing_worker.cli.import_columns import REASON
from billing_worker.cli.import_file import CustomerFile
from billing_worker.cli.import_rows import Became, Outcome
from billing_worker.domain.errors import InvalidInput

ENCODING = "utf-8-sig"
"""With a byte order mark: without it, Excel reads UTF-8 in its own encoding."""

REPEATED = ("customer_uid", "customer")
REPORTED = ("line", "became", "field", "detail", *REPEATED, "billing_key_id", "subscription_id")

_OWN_NAME = re.compile(r"\.rejected(-\d+)?$")


def write_rejects(customers: CustomerFile, rejected: Sequence[Outcome]) -> Path:
    """Write the rejected rows, with the reasons, to a new file. Raises InvalidInput."""
    kept = [index for index, name in enumerate(customers.header) if name != REASON]
    with _first_free(customers.path) as file:
        writer = csv.writer(file)
        writer.writerow([*(customers.names[index] for index in kept), REASON])
        for outcome in rejected:
            row = outcome.row
            cells = [row.cells[index] if index < len(row.cells) else "" for index in kept]
            writer.writerow([*cells, f"line {row.line}: {outcome.detail}"])
        return Path(file.name)


def _first_free(imported: Path) -> IO[str]:
    """FILE.rejected.csv or, if it exists, FILE.rejected-2.csv, and so on."""
    stem, number = _OWN_NAME.sub("", imported.stem), 1
    while True:
        name = imported.with_name(f"{stem}.rejected{'' if number == 1 else f'-{number}'}.csv")
        try:
            return name.open("x", encoding=ENCODING, newline="")
        except FileExistsError:
            number += 1
        except OSError as error:
            raise InvalidInput("file", str(name), f"cannot be written: {error.strerror}") from error


class Report:
    """Every row with its line and its result. Without a path, nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[str] | None = None
        if path is not None:
            try:
                self._file = path.open("x", encoding=ENCODING, newline="")
            except OSError as error:
                raise InvalidInput("--report", str(path), f"cannot be written: {error.strerror}") from error
            self._write(REPORTED)

    def add(self, outcomes: Sequence[Outcome], *, dry_run: bool) -> None:
        """Write the results of some rows at once, so that a later crash does not lose them."""
        if self._file is None:
            return
        for each in outcomes:
            became = f"would be {each.became}" if dry_run and each.became is Became.IMPORTED else str(each.became)
            # A refused customer_uid may be a card number.
            cells = ["" if name == each.field else each.row.values.get(name) or "" for name in REPEATED]
            made = ["", ""] if dry_run else [each.billing_key_id, each.subscription_id]
            self._write([each.row.line, became, each.field, each.detail, *cells, *made])
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, cells: Sequence[Any]) -> None:
        if self._file is not None:
            csv.writer(self._file).writerow(cells)
