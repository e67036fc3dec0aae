"""Lists on the command line: shared filters, and printing part by part."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated

import typer

from billing_worker.cli.output import Output, View
from billing_worker.cli.parsing import day_or_moment
from billing_worker.cli.session import Session
from billing_worker.domain.errors import InvalidInput
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.lists import AT_ONCE, every

Every = Annotated[bool, typer.Option("--all", help="Show the whole list, ignoring --limit.")]
Customer = Annotated[str | None, typer.Option(metavar="NAME", help="Only of this customer, by your own id.")]
Plan = Annotated[str | None, typer.Option("--plan", metavar="ID", help="plan_…: only on this plan.")]
Key = Annotated[str | None, typer.Option("--key", metavar="ID", help="key_…: only charged on this key.")]
Subscription = Annotated[
    str | None, typer.Option("--subscription", metavar="ID", help="sub_…: only of this subscription.")
]
ExternalId = Annotated[str | None, typer.Option(metavar="TEXT", help="Only the one with this external_id.")]
After = Annotated[str | None, typer.Option(metavar="WHEN", help="Only from this day, or this time with a zone, on.")]
Before = Annotated[str | None, typer.Option(metavar="WHEN", help="Only before this day, or this time with a zone.")]


def show_list(
    work: Session,
    kind: Kind,
    wanted: Mapping[str, object],
    columns: Sequence[str],
    *,
    most: int | None,
    empty: str,
) -> None:
    """Print the matches, newest first: at most `most`; if that is None, all of them, part by part."""
    views = every(work.ports, kind, wanted, most, language=work.settings.language)
    if work.out.as_json:
        _stream_json(work.out, views)
        return
    first = True
    while part := list(islice(views, AT_ONCE)):
        work.out.rows(part, columns, empty="", titles=first)
        first = False
    if first:
        work.out.say(empty)


def between(work: Session, name: str, after: str | None, before: str | None) -> Mapping[str, object]:
    """The filters for a span of time. Raises InvalidInput."""
    zone = work.settings.timezone
    return {
        f"{name}_after": day_or_moment(f"{name}_after", after, zone),
        f"{name}_before": day_or_moment(f"{name}_before", before, zone),
    }


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Pairs of text from NAME=VALUE. Raises InvalidInput."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise InvalidInput("metadata", text, "must be NAME=VALUE")
        if name in found:
            raise InvalidInput("metadata", text, f"names {name} twice")
        found[name] = value
    return found


def _stream_json(out: Output, views: Iterator[View]) -> None:
    """Print one array while reading it: a long list needs no memory."""
    opened = False
    for view in views:
        text = json.dumps(out.plain(view), ensure_ascii=out.ascii_only, indent=2)
        sys.stdout.write(",\n" if opened else "[\n")
        sys.stdout.write("\n".join("  " + line for line in text.split("\n")))
        opened = True
    sys.stdout.write("\n]\n" if opened else "[]\n")
