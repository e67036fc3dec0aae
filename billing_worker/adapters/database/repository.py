"""The base of all repositories: fetch by id, lock, add, write back changes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Select, Table, bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from billing_worker.domain.errors import Conflict, NotFound
from billing_worker.domain.invoice import Period
from billing_worker.domain.money import Money

T = TypeVar("T")
Values = dict[str, Any]

_NAMES: dict[type, tuple[str, ...]] = {}


def _names(entity: type) -> tuple[str, ...]:
    if entity not in _NAMES:
        _NAMES[entity] = tuple(field.name for field in fields(entity))
    return _NAMES[entity]


def plain(entity: Any) -> Values:
    """The fields of an entity whose columns have the same names, with Money and Period spread over theirs."""
    values: Values = {}
    for name in _names(type(entity)):
        value = getattr(entity, name)
        if isinstance(value, Money):
            values["amount"], values["currency"] = value.amount, value.currency
        elif isinstance(value, Period):
            values["period_index"], values["period_start"], values["period_end"] = value.index, value.start, value.end
        else:
            values[name] = value
    return values


def _statements_for_many(table: Table) -> tuple[str, str]:
    """SQL that inserts, and SQL that updates, as many rows as one JSON parameter holds."""
    rows = f"json_populate_recordset(NULL::{table.name}, CAST(:rows AS json))"
    names = [column.name for column in table.c if column.identity is None]
    listed, changes = ", ".join(names), ", ".join(f"{name} = new.{name}" for name in names if name != "id")
    return (
        f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM {rows}",  # noqa: S608 - names of our own tables
        f"UPDATE {table.name} SET {changes} FROM {rows} AS new WHERE {table.name}.id = new.id",  # noqa: S608 - as above
    )


def _as_json(value: object) -> str:
    """Times as PostgreSQL reads them, to the microsecond and with their offset."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no value of a column: {type(value).__name__}")


class Repository(Generic[T]):
    """One table's entities within one transaction."""

    table: Table
    kind: str
    hydrate: Callable[[Values], T]
    values: Callable[[T], Values] = staticmethod(plain)
    """The class attributes are plain functions, not methods."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loaded: dict[Any, Values] = {}

    def __init_subclass__(cls) -> None:
        """Prepare the statements once per class: building them for every call would cost more than running them."""
        own = cls.table.c.id == bindparam("ident")
        cls._get = select(cls.table).where(own)
        cls._lock = cls._get.with_for_update()
        cls._insert = insert(cls.table)
        columns = [column.name for column in cls.table.c if column.name != "id" and column.identity is None]
        cls._sql_of_insert_all, of_update_all = _statements_for_many(cls.table)
        cls._insert_all, cls._update_all = text(cls._sql_of_insert_all), text(of_update_all)
        cls._update = update(cls.table).where(own).values({name: bindparam(f"new_{name}") for name in columns})

    _get: Any
    _lock: Any
    _insert: Any
    _update: Any
    _sql_of_insert_all: str
    """For what a subclass adds to it."""
    _insert_all: Any
    _update_all: Any

    def get(self, ident: Any) -> T:
        """The entity. Raises NotFound."""
        return self._one(self._get, ident)

    def lock(self, ident: Any) -> T:
        """The entity, locked until the end of the transaction. Raises NotFound."""
        return self._one(self._lock, ident)

    def adopt(self, row: Values) -> T:
        """Make an entity from a row that another statement fetched."""
        entity = type(self).hydrate(row)
        self._loaded[entity.id] = type(self).values(entity)  # type: ignore[attr-defined] # every entity has an id
        return entity

    def add(self, entity: T) -> Any:
        """Store a new entity."""
        values = type(self).values(entity)
        self._connection.execute(self._insert, values)
        self._loaded[values["id"]] = values

    def add_alone(self, entity: T, **unique: Any) -> None:
        """Store a new entity. Raises Conflict, with the id of the one that already has its value in a `unique` column.

        The insert has a savepoint: a failed transaction could not look for the other one.
        """
        try:
            with self._connection.begin_nested():
                Repository.add(self, entity)
        except IntegrityError as error:
            for name, value in unique.items():
                same = select(self.table.c.id).where(self.table.c[name] == value)
                found = self._connection.execute(same).scalar_one_or_none() if value is not None else None
                if found is not None:
                    problem = f"a {self.kind} with this {name} already exists: {found}"
                    raise Conflict(problem, field=name, existing_id=found) from error
            raise

    def save(self, entity: T) -> None:
        """Write the entity back, if it changed since it was read."""
        values = type(self).values(entity)
        ident = values["id"]
        if self._loaded.get(ident) == values:
            return
        self._loaded[ident] = values
        changed = {f"new_{name}": value for name, value in values.items() if name != "id"}
        self._connection.execute(self._update, changed | {"ident": ident})

    def add_all(self, entities: Sequence[T]) -> Any:
        """Store new entities with one statement."""
        if entities:
            self._connection.execute(self._insert_all, {"rows": self._written_new(entities)})

    def save_all(self, entities: Sequence[T]) -> None:
        """Write those back that changed since they were read, with one statement."""
        rows = [type(self).values(entity) for entity in entities]
        changed = [row for row in rows if self._loaded.get(row["id"]) != row]
        if changed:
            self._connection.execute(self._update_all, {"rows": self._written(changed)})

    def _written_new(self, entities: Sequence[T]) -> str:
        return self._written([type(self).values(entity) for entity in entities])

    def _written(self, rows: Sequence[Values]) -> str:
        """The rows as one JSON parameter: an array of texts would be escaped sign by sign, in Python."""
        self._loaded |= {row["id"]: row for row in rows}
        return json.dumps(rows, default=_as_json, ensure_ascii=False)

    def find(self, ident: Any) -> T | None:
        """The entity, if there is one."""
        row = self._connection.execute(self._get, {"ident": ident}).mappings().one_or_none()
        return None if row is None else self.adopt(dict(row))

    def _one(self, statement: Any, ident: Any) -> T:
        row = self._connection.execute(statement, {"ident": ident}).mappings().one_or_none()
        if row is None:
            raise NotFound(self.kind, str(ident))
        return self.adopt(dict(row))

    def _many(self, statement: Select[Any], **parameters: Any) -> Sequence[T]:
        rows = self._connection.execute(statement, parameters).mappings()
        return [self.adopt(dict(row)) for row in rows]
