"""The output of commands: JSON for programs, aligned text for people.

A *view* is one of `usecases/reading/views`, which the HTTP API also returns, or a mapping from names to values: text,
numbers, Money, times, lists of these, or lists of views. JSON shows money in minor units beside its currency, and times
as ISO 8601 in UTC, as the API does; text shows `9,900 KRW`, and times in the zone of the settings.
"""

import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track
from rich.table import Table
from rich.text import Text

from billing_worker.cli.streams import speaks_unicode
from billing_worker.domain.money import Money
from billing_worker.texts.words import Words
from billing_worker.usecases.reading.views.fields import CURRENCY_IN, SECRET, masked

T = TypeVar("T")
View = Any
"""A dataclass of `usecases/reading/views`, or a mapping."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Show at most this many, newest first.")]

HIGHEST = 2**63 - 1
"""The highest number of an alert, a stop or a notification in the database."""

WIDE = 1_000
"""Columns without a terminal: lines for another program must not be folded."""


@dataclass(frozen=True, slots=True)
class Output:
    """Standard output of one command."""

    as_json: bool
    zone: str
    words: Words | None = None
    """The reader's words for titles and for values of closed lists; None: the names of fields and values."""

    def record(self, view: View, *, headline: str | None = None, without: Collection[str] = ()) -> None:
        """Print one object, one name and value per line. Unset values and lists of other objects are left out.

        `without`: names that the text shows elsewhere.
        """
        if self.as_json:
            self.json(view)
            return
        console = console_for(sys.stdout)
        if headline:
            console.print(Text(headline, style="bold"))
        lines = Table.grid(padding=(0, 2))
        lines.add_column(style="dim", no_wrap=True)
        lines.add_column(overflow="fold")
        for name, value in _flat(view).items():
            if name not in without and value not in (None, [], (), {}) and not _has_views(value):
                lines.add_row(self._title(name), self._text(value))
        console.print(lines)

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal shows only ASCII."""
        return not speaks_unicode(sys.stdout)

    def rows(self, views: Sequence[View], columns: Sequence[str], *, empty: str, titles: bool = True) -> None:
        """Print a list of objects: in text only these columns, or `empty` for an empty list."""
        if self.as_json:
            self.json(views)
        elif views:
            console_for(sys.stdout).print(self._table(views, columns, titles=titles))
        else:
            self.say(empty)

    def section(self, title: str, views: Sequence[View], columns: Sequence[str]) -> None:
        """Print a titled table within a text; nothing in JSON, or without rows."""
        if views and not self.as_json:
            console_for(sys.stdout).print(Text(f"\n{title}", style="bold"))
            console_for(sys.stdout).print(self._table(views, columns))

    def part(self, title: str, view: View) -> None:
        """Print a titled part of one object within a text; nothing in JSON, or without a part."""
        if view is not None and not self.as_json:
            self.say(f"\n{title}", "bold")
            self.record(view)

    def say(self, text: str, style: str = "") -> None:
        """Print a line for people; nothing in JSON."""
        if not self.as_json:
            console_for(sys.stdout).print(Text(printable(text), style=style), soft_wrap=True)

    def json(self, value: object) -> None:
        """Print the whole answer as JSON."""
        sys.stdout.write(json.dumps(self.plain(value), ensure_ascii=self.ascii_only, indent=2) + "\n")

    def plain(self, value: object) -> Any:  # noqa: PLR0911 - one a kind of value
        """The value in JSON's own types."""
        match value:
            case Mapping():
                members: dict[str, Any] = {}
                for name, member in value.items():
                    if isinstance(member, Money):
                        members |= {str(name): member.amount, "currency": member.currency}
                    else:
                        members[str(name)] = self.plain(member)
                return members
            case Enum():
                return value.value
            case datetime():
                return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
            case date() | Path():
                return str(value)
            case list() | tuple():
                return [self.plain(member) for member in value]
            case _ if is_dataclass(value):
                return {name: self.plain(member) for name, member in _masked(value).items()}
            case _:
                return value

    def _table(self, views: Sequence[View], columns: Sequence[str], *, titles: bool = True) -> Table:
        views = [_flat(view) for view in views]
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0), show_header=titles)
        for name in columns:
            number = all(isinstance(view.get(name), int | Money) for view in views)
            table.add_column(self._title(name), justify="right" if number else "left", overflow="fold")
        for view in views:
            table.add_row(*(self._text(view.get(name)) for name in columns))
        return table

    def _title(self, name: str) -> str:
        return name.replace("_", " ") if self.words is None else self.words.say(f"column.{name}")

    def _text(self, value: object) -> Text:  # noqa: PLR0911 - one a kind of value
        match value:
            case None:
                return Text("-", style="dim")
            case bool():
                return Text("yes" if value else "no")
            case datetime():
                return Text(f"{value.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M %Z}")
            case Mapping():
                return self._text([f"{name}={member}" for name, member in value.items()])
            case list() | tuple():
                return Text(", ".join(str(self._text(member)) for member in value))
            case StrEnum():
                shown = value.value if self.words is None else self.words.of(value)
                return Text(shown, style=STYLES.get(value.value, ""))
            case _:
                return Text(printable(str(value)), style=STYLES.get(str(value), ""))


STYLES = {
    "paid": "green",
    "active": "green",
    "approved": "green",
    "ok": "green",
    "past_due": "yellow",
    "pending": "yellow",
    "unknown": "yellow",
    "warn": "yellow",
    "declined": "red",
    "unpaid": "red",
    "uncollectible": "red",
    "fail": "red",
}


def console_for(stream: Any) -> Console:
    """A console that writes plain text into pipes and files, and treats no text as markup."""
    folded = stream.isatty() or "COLUMNS" in os.environ
    return Console(file=stream, width=None if folded else WIDE, markup=False, highlight=False, emoji=False)


def followed(items: Sequence[T], what: str) -> Iterable[T]:
    """The items one by one, with a progress bar on standard error if it is a terminal."""
    console = console_for(sys.stderr)
    return track(items, what, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def advancing(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A callback for the number of finished rows: on a terminal, a bar with rows per second."""
    console = console_for(sys.stderr)
    speed = TextColumn("{task.fields[rate]:.0f} rows/s")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), speed, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total, rate=0.0)

        def advance(rows: int) -> None:
            bar.advance(task, rows)
            done = bar.tasks[0]
            bar.update(task, rate=done.completed / done.elapsed if done.elapsed else 0.0)

        yield advance


def working(what: str) -> AbstractContextManager[object]:
    """A sign of ongoing work on standard error, if it is a terminal."""
    console = console_for(sys.stderr)
    return console.status(what) if console.is_terminal else nullcontext()


def printable(text: str) -> str:
    """Text from outside, without characters that control a terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _flat(view: View) -> Mapping[str, object]:
    """A view as text: an amount with its currency becomes one sum, and names that grant access are masked."""
    if not is_dataclass(view):
        return dict(view)
    shown = _masked(view)
    sums = {each.name: each.metadata[CURRENCY_IN] for each in fields(view) if CURRENCY_IN in each.metadata}
    for name, currency in sums.items():
        if shown[name] is not None:
            shown[name] = Money(shown[name], getattr(view, currency))
    return {name: value for name, value in shown.items() if name not in sums.values()}


def _masked(view: Any) -> dict[str, Any]:
    """The fields of a view. Names that grant access are masked: the output of commands ends up in files and logs."""
    shown = {each.name: getattr(view, each.name) for each in fields(view)}
    return shown | {each.name: masked(shown[each.name]) for each in fields(view) if each.metadata.get(SECRET)}


def _has_views(value: object) -> bool:
    members = value if isinstance(value, list) else [value]
    return any(is_dataclass(member) and not isinstance(member, Money) for member in members)
