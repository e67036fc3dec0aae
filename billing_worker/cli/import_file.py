"""A CSV file of customers: read as a whole, checked for its form, handed out row by row."""

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from billing_worker.domain.errors import InvalidInput

NEEDED = ("customer_uid", "pg_provider", "plan_id", "customer")
OPTIONAL = ("start", "buyer_name", "buyer_email", "buyer_tel")
REASON = "reason"
"""Written into the file of rejected rows, and ignored when that file is imported."""

LARGEST_FILE = 256 * 1024 * 1024
"""A million rows are about a third of this; what is larger is not a list of customers."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: its number, its cells as they came, and its values by column."""

    line: int
    cells: Sequence[str]
    values: dict[str, str | None]
    problem: InvalidInput | None


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """The file: its header and its text."""

    path: Path
    header: Sequence[str]
    text: str

    def rows(self) -> Iterator[Row]:
        """The rows in order; blank lines are left out."""
        reader = csv.reader(io.StringIO(self.text, newline=""), strict=True)
        next(reader)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                problem = InvalidInput("line", line, f"is not CSV: {error}; the rest of the file cannot be read")
                yield Row(line, [], {}, problem)
                return
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield self._row(line, cells)

    def _row(self, line: int, cells: list[str]) -> Row:
        problem = None
        if len(cells) != len(self.header):
            problem = InvalidInput(
                "line", line, f"must have {len(self.header)} fields, as the header; has {len(cells)}"
            )
        elif any("\0" in cell for cell in cells):
            problem = InvalidInput("line", line, "holds a NUL character; export the file again")
        values = {name: cell.strip() or None for name, cell in zip(self.header, cells, strict=False)}
        return Row(line, cells, values, problem)


def read_customers(path: Path) -> CustomerFile:
    """Read a file and check its header. Raises InvalidInput with what is wrong and the way out."""
    text = _decoded(path)
    try:
        # As strictly as the rows are read: what passes here is read by them once more.
        first = next(csv.reader(io.StringIO(text, newline=""), strict=True), None) if text.strip() else None
    except csv.Error as error:
        problem = f"its first line is not CSV: {error}; it must name the columns: {','.join(NEEDED)}"
        raise InvalidInput("file", str(path), problem) from error
    if first is None:
        raise InvalidInput("file", str(path), f"is empty; its first line must name the columns: {','.join(NEEDED)}")
    header = [name.strip().lower() for name in first]
    _check_header(path, header)
    return CustomerFile(path, header, text)


def _check_header(path: Path, header: Sequence[str]) -> None:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise InvalidInput("file", str(path), "is not separated by commas; save it as CSV with commas")
    known = (*NEEDED, *OPTIONAL, REASON)
    for name in header:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            way_out = f"did you mean {near[0]}?" if near else f"known are {', '.join(known[:-1])}"
            raise InvalidInput("file", str(path), f"has a column {name[:40]!r} that is not known; {way_out}")
        if header.count(name) > 1:
            raise InvalidInput("file", str(path), f"has the column {name} twice")
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise InvalidInput(
            "file", str(path), f"lacks the column {', '.join(missing)}; the first line names the columns"
        )


def _decoded(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InvalidInput("file", str(path), f"cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise InvalidInput("file", str(path), f"is larger than {LARGEST_FILE // 1024**2} MB; split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"is not UTF-8 (byte {error.start + 1})"
    way_out = "save it as 'CSV UTF-8 (Comma delimited)' in Excel"
    try:
        content.decode("cp949")
    except UnicodeDecodeError:
        raise InvalidInput("file", str(path), f"{place}; {way_out}") from None
    raise InvalidInput("file", str(path), f"{place}, but Excel's Korean encoding cp949; {way_out}")
