"""What a list consists of, and the kinds of filters that lists have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, select

from billing_worker.adapters.database import repository
from billing_worker.domain.text import normal_form

Filter = Callable[[Any], Any]
"""The condition for a value."""


@dataclass(frozen=True, slots=True)
class List:
    """One kind of list: its table, the reader of its rows, its order, and its filters by name."""

    table: Table
    hydrate: Callable[[repository.Values], Any]
    order: tuple[str, ...]
    filters: Mapping[str, Filter]
    only: Any = None
    """The condition of each row, if it is not the whole table."""


def equal(column: Any) -> Filter:
    """Rows with this value."""
    return lambda value: column == value


def in_normal_form(column: Any) -> Filter:
    """Rows with this text in its normal form: a query may use the original spelling."""
    return lambda value: column == normal_form(value)


def at_least(column: Any) -> Filter:
    """Rows with at least this value."""
    return lambda value: column >= value


def before(column: Any) -> Filter:
    """Rows with less than this value."""
    return lambda value: column < value


def through(column: Any, target: Any, own: Any) -> Filter:
    """Rows whose `column` is the `target` of a row with this value in `own`."""
    return lambda value: column.in_(select(target).where(own == value))


def is_open(column: Any) -> Filter:
    """Rows without a time of their end."""
    return lambda wanted: column.is_(None) if wanted else column.is_not(None)


def since(column: Any, name: str) -> dict[str, Filter]:
    """Rows of a span of time, by two filters."""
    return {f"{name}_after": at_least(column), f"{name}_before": before(column)}


def amounts(column: Any) -> dict[str, Filter]:
    """Rows between two sums, by two filters."""
    return {"amount_min": at_least(column), "amount_max": lambda value: column <= value}
