"""A CSV file of customers: read as a whole, checked for its form, and returned row by row."""

import csv
import difflib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from billing_worker.cli.import_columns import KNOWN, NEEDED, REASON, column_named
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.text import normal_form

LARGEST_FILE = 256 * 1024 * 1024
"""A million rows are about a third of this. A larger file is not a list of customers."""

SEPARATORS = ",;\t"
"""Spreadsheets use the separator of their country."""

_SAYS_SEPARATOR = re.compile(r'"?sep=(?P<separator>[^"\r\n])"?(?:\r\n|\r|\n)', re.IGNORECASE)
"""A first line that Excel interprets and does not show."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: its number, its raw cells, and its cells by column (None if empty)."""

    line: int
    cells: Sequence[str]
    values: dict[str, str | None]
    problem: InvalidInput | None


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """The file: its columns, their names in the file, and its text."""

    path: Path
    header: Sequence[str]
    names: Sequence[str]
    text: str
    separator: str
    first_line: int
    """The number of the line that names the columns."""

    def rows(self) -> Iterator[Row]:
        """The rows in order; blank lines are left out."""
        reader = _reader(self.text, self.separator)
        next(reader)
        while True:
            line = self.first_line + reader.line_num
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
        values = {name: cell if normal_form(cell) else None for name, cell in zip(self.header, cells, strict=False)}
        return Row(line, cells, values, problem)


def read_customers(path: Path, needed: Sequence[str] = NEEDED) -> CustomerFile:
    """Read a file and check its header. Raises InvalidInput with the problem and the way out."""
    text = _decoded(path)
    said = _SAYS_SEPARATOR.match(text)
    if said:
        text = text[said.end() :]
    separator = said["separator"] if said else _separator_of(text)
    try:
        # As strict as the reader of the rows, which reads this text again.
        first = next(_reader(text, separator), None) if text.strip() else None
    except csv.Error as error:
        problem = f"its first line is not CSV: {error}; it must name the columns: {','.join(NEEDED)}"
        raise InvalidInput("file", str(path), problem) from error
    if first is None:
        raise InvalidInput("file", str(path), f"is empty; its first line must name the columns: {','.join(NEEDED)}")
    names = [normal_form(name) for name in first]
    return CustomerFile(path, _header(path, names, needed), names, text, separator, 2 if said else 1)


def _reader(text: str, separator: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _separator_of(text: str) -> str:
    """The separator that gives the most known columns in the first line; a comma if none does."""
    first = text.splitlines()[0] if text.strip() else ""

    def columns(separator: str) -> int:
        return sum(column_named(name.strip('" ')) is not None for name in first.split(separator))

    return max(SEPARATORS, key=columns)


def _header(path: Path, names: Sequence[str], needed: Sequence[str]) -> Sequence[str]:
    header: list[str] = []
    for name in names:
        column = column_named(name)
        if column is None:
            near = difflib.get_close_matches(name.lower(), KNOWN, n=1)
            known = ", ".join(each for each in KNOWN if each != REASON)
            way_out = (
                f"did you mean {near[0]}?" if near else f"known are {known}; docs/import.md has their Korean names"
            )
            raise InvalidInput("file", str(path), f"has an unknown column {name[:40]!r}; {way_out}")
        if column in header:
            raise InvalidInput("file", str(path), f"has the column {column} twice")
        header.append(column)
    missing = [name for name in needed if name not in header]
    if missing:
        raise InvalidInput(
            "file", str(path), f"lacks the column {', '.join(missing)}; the first line names the columns"
        )
    return header


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
