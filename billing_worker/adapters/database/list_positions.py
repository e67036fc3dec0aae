"""The position in a list: the values of its ordering columns, as text and back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, literal

from billing_worker.adapters.database.tables.schema import UtcDateTime
from billing_worker.domain.errors import InvalidInput
from billing_worker.ports.lists import Position

LARGEST = 2**63 - 1
"""The largest running number in PostgreSQL."""


def as_text(value: Any) -> str:
    """The value of an ordering column, as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def bound(columns: Sequence[Any], position: Position) -> list[Any]:
    """The values of a position. Raises InvalidInput for a position of another kind of list."""
    try:
        pairs = list(zip(columns, position, strict=True))
        return [literal(_read(column.type, text), column.type) for column, text in pairs]
    except ValueError as error:
        raise InvalidInput("cursor", "…", "belongs to another list; begin without one") from error


def _read(kind: Any, text: str) -> Any:
    if isinstance(kind, UtcDateTime):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("without a zone")
        return moment
    if not isinstance(kind, Integer):
        return text
    number = int(text)
    if abs(number) > LARGEST:
        raise ValueError("beyond what the column holds")
    return number
