"""Lists for people and programs, part by part."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.text import storable
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind, Position

AT_ONCE = 500
"""Rows that are read in one transaction where a whole list is wanted."""
LONGEST_CURSOR = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of a list, and the cursor of the next one."""

    items: Sequence[Any]
    next_cursor: str | None


def listed(ports: Ports, kind: Kind, wanted: Mapping[str, object], *, limit: int, cursor: str | None = None) -> Listed:
    """At most `limit` things that fit, newest first, from the cursor on.

    A filter that is None does not matter. Raises InvalidInput for a cursor that no answer about this kind gave.
    """
    chosen = {name: value for name, value in wanted.items() if value is not None}
    with ports.database.transaction() as uow:
        part = uow.lists.part(kind, chosen, limit, None if cursor is None else _position(kind, cursor))
    return Listed(part.items, None if part.next is None else _cursor(kind, part.next))


def every(ports: Ports, kind: Kind, wanted: Mapping[str, object], most: int | None) -> Iterator[Any]:
    """All things that fit, newest first, at most `most`; read in parts, so that the first come at once."""
    left, cursor = most, None
    while left is None or left > 0:
        part = listed(ports, kind, wanted, limit=AT_ONCE if left is None else min(left, AT_ONCE), cursor=cursor)
        yield from part.items
        cursor = part.next_cursor
        left = None if left is None else left - len(part.items)
        if cursor is None:
            return


def _cursor(kind: Kind, position: Position) -> str:
    text = json.dumps([kind.value, *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _position(kind: Kind, cursor: str) -> Position:
    problem = "is none that an answer gave for this list; begin without one"
    if not 0 < len(cursor) <= LONGEST_CURSOR:
        raise InvalidInput("cursor", "…", problem)
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise InvalidInput("cursor", "…", problem) from error
    # What PostgreSQL cannot be asked for, NUL and half a surrogate pair, is in no row.
    texts = isinstance(found, list) and all(isinstance(each, str) and storable(each) for each in found)
    if not texts or not found or found[0] != kind.value:
        raise InvalidInput("cursor", "…", problem)
    return tuple(found[1:])
