"""Rows in memory: copied in and out, with a journal of changes, which are undone unless the transaction commits."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any, Generic, TypeVar

from billing_worker.domain.errors import NotFound

T = TypeVar("T")

Entry = tuple["Table[Any]", Any, Any]
"""A table, and a row of it before the change (None if new) and after."""


class GuardBroken(Exception):
    """A constraint of the schema refused a row: the code above has a bug."""


class Table(Generic[T]):
    """One kind of entity. The table stores copies and returns copies."""

    kind: str
    entity: type[T]

    def __init__(self, journal: list[Entry]) -> None:
        self.rows: dict[Any, T] = {}
        self._journal = journal
        names = [each.name for each in fields(self.entity)]  # type: ignore[arg-type] # every entity is a dataclass
        self._read: Callable[[T], tuple[Any, ...]] = attrgetter(*names)
        self._make: Callable[..., T] = self.entity
        if hasattr(self.entity, "__post_init__"):
            # The entity was checked at its creation; a copy needs no check.
            self._make = _unchecked(self.entity, names)

    def get(self, ident: Any) -> T:
        """A copy of the row. Raises NotFound."""
        row = self.rows.get(ident)
        if row is None:
            raise NotFound(self.kind, str(ident))
        return self._make(*self._read(row))

    def lock(self, ident: Any) -> T:
        """As `get`: a transaction runs alone from its first read to its commit. Raises NotFound."""
        return self.get(ident)

    def add(self, entity: T) -> Any:
        """Store a new row."""
        if entity.id in self.rows:  # type: ignore[attr-defined] # every entity has an id
            raise GuardBroken(f"{self.kind} {entity.id} already exists")  # type: ignore[attr-defined] # as above
        self._write(None, entity)

    def save(self, entity: T) -> None:
        """Write the row back, if it changed."""
        before = self.rows[entity.id]  # type: ignore[attr-defined] # as above
        if self._read(before) != self._read(entity):
            self._write(before, entity)

    def add_all(self, entities: Sequence[T]) -> Any:
        """Store new rows."""
        for entity in entities:
            self.add(entity)

    def save_all(self, entities: Sequence[T]) -> None:
        """Write the rows back that changed."""
        for entity in entities:
            self.save(entity)

    def undo(self, before: T | None, after: T) -> None:
        """Undo one change, the newest first."""
        ident = after.id  # type: ignore[attr-defined] # as above
        if before is None:
            del self.rows[ident]
        else:
            self.rows[ident] = before
        self.watch(after, before)

    def guard(self, before: T | None, after: T) -> None:
        """Raise GuardBroken for a row that the schema would refuse."""

    def watch(self, before: T | None, after: T | None) -> None:
        """Update the indexes. Called for every change, and with both rows swapped when it is undone."""

    def _write(self, before: T | None, entity: T) -> None:
        self.guard(before, entity)
        after = self._make(*self._read(entity))
        self.rows[after.id] = after  # type: ignore[attr-defined] # as above
        self._journal.append((self, before, after))
        self.watch(before, after)


def either(before: T | None, after: T | None) -> T:
    """The row after a change or, if there is none, the row before it."""
    row = before if after is None else after
    if row is None:
        raise AssertionError("a change without a row")
    return row


def _unchecked(entity: type[T], names: Sequence[str]) -> Callable[..., T]:
    """Make an entity from its fields, as its constructor would without the checks."""
    setters = [getattr(entity, name).__set__ for name in names]

    def make(*values: Any) -> T:
        made = object.__new__(entity)
        for put, value in zip(setters, values, strict=True):
            put(made, value)
        return made

    return make


def no_listener(_when: datetime) -> None:
    """The default listener of an index: it does nothing."""


class DueIndex:
    """Ids by the time from which they are due."""

    def __init__(self) -> None:
        self.times: dict[Any, datetime] = {}
        self._heap: list[tuple[datetime, Any]] = []
        self.listener: Callable[[datetime], None] = no_listener
        """Called with every new time, so that a beat can ring then."""

    def set(self, ident: Any, when: datetime | None) -> None:
        """Set the time from which the id is due; None removes it."""
        if self.times.get(ident) == when:
            return
        if when is None:
            del self.times[ident]
            return
        self.times[ident] = when
        heappush(self._heap, (when, ident))
        self.listener(when)

    def next(self) -> datetime | None:
        """The earliest time at which an id is due; it may be past."""
        heap, times = self._heap, self.times
        while heap:
            when, ident = heap[0]
            if times.get(ident) == when:
                return when
            heappop(heap)
        return None

    def take(self, now: datetime, limit: int) -> list[Any]:
        """Up to `limit` due ids, oldest first. The caller sets a new time for each."""
        found: dict[Any, None] = {}
        while len(found) < limit:
            when = self.next()
            if when is None or when > now:
                break
            found[heappop(self._heap)[1]] = None
        return list(found)

    def take_of(self, now: datetime, limit: int, since: Callable[[Any], datetime | None]) -> list[Any]:
        """Up to `limit` due ids, ordered by `since`; an id for which it returns None is left out.

        The others stay due.
        """
        due = self.take(now, len(self.times))
        fitting = [(when, ident) for ident in due if (when := since(ident)) is not None]
        found = [ident for _, ident in sorted(fitting)[: max(0, limit)]]
        if len(found) < len(due):
            taken = set(found)
            for ident in due:
                if ident not in taken:
                    self.put_back(ident)
        return found

    def ripe(self, now: datetime) -> list[Any]:
        """All ids that are due. They stay due."""
        due = self.take(now, len(self.times))
        for ident in due:
            self.put_back(ident)
        return due

    def put_back(self, ident: Any) -> None:
        """Keep an id due after it was taken."""
        heappush(self._heap, (self.times[ident], ident))


class DueTogether(DueIndex):
    """The work of several indexes for one scan, which only says when the first of it is due."""

    def __init__(self, *parts: DueIndex) -> None:
        super().__init__()
        self._parts = parts
        for part in parts:
            part.listener = self._hear

    def next(self) -> datetime | None:
        """The earliest time at which work of any part is due; it may be past."""
        return min((when for part in self._parts if (when := part.next()) is not None), default=None)

    def _hear(self, when: datetime) -> None:
        self.listener(when)
