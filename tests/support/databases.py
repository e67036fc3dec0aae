"""Databases for tests: copies of one migrated template, under names that no other run uses.

A copy costs a quarter of a second, emptying one a few milliseconds: so a database that was given back is emptied and
lent again.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.found import NEWEST_MIGRATION, VERSION_TABLE
from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.adapters.database.upgrade import upgrade
from tests.support import engines

_EMPTY_ALL = sql.SQL(";").join(
    sql.SQL("DELETE FROM {}").format(sql.Identifier(each.name)) for each in reversed(metadata.sorted_tables)
)
"""One message to the server, whatever the count of tables."""
_VERSION = sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(VERSION_TABLE))


class Databases:
    """Creates and drops databases on one server; what is left at the end is dropped."""

    def __init__(self, server_url: str) -> None:
        self._server: URL = make_url(server_url).set(drivername="postgresql+psycopg")
        self._prefix = f"bwtest_{os.getpid()}_{uuid4().hex[:8]}"
        self._numbers = itertools.count(1)
        self._admin = psycopg.connect(self._dsn(self._server.database), autocommit=True)
        self._template: str | None = None
        self._made: set[str] = set()
        self._keepers: dict[str, psycopg.Connection[tuple[str]]] = {}
        """A connection to each database that was lent: it knows the tables; a new one would read them all."""
        self._empty: list[str] = []

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """A migrated database without a row; taken back afterwards, even from open connections."""
        name = self._empty.pop() if self._empty else self._create(self._new_name(), self._migrated_template())
        try:
            yield self._url(name)
        finally:
            self._take_back(name)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """A database without any table; dropped afterwards."""
        name = self._create(self._new_name(), "template0")
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    @contextmanager
    def copy_of(self, url: str) -> Iterator[str]:
        """A copy of a database with all its rows, as an operator makes one; sessions of the source are ended.

        The test may change its tables: it is dropped afterwards.
        """
        source = make_url(url).database or ""
        self._throw_out(source)
        name = self._create(self._new_name(), source)
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._made):
            self._drop(name)
        self._admin.close()

    def _migrated_template(self) -> str:
        if self._template is None:
            name = self._create(f"{self._prefix}_template", "template0")
            engine = open_engine(self._url(name), pool_size=1, application="template")
            try:
                upgrade(engine)
            finally:
                engine.dispose()
            self._template = name
        return self._template

    def _take_back(self, name: str) -> None:
        try:
            version = self._emptied(name)
        except psycopg.Error:  # a test that changed the tables, or ended all sessions: no test gets this database again
            version = None
        if version == (NEWEST_MIGRATION,):
            self._empty.append(name)
        else:
            self._drop(name)

    def _emptied(self, name: str) -> tuple[str] | None:
        """Throw out all others and delete all rows; returns the version of the tables. Raises psycopg.Error."""
        keeper = self._keepers.get(name)
        ours = [] if keeper is None else [keeper.info.backend_pid]
        self._throw_out(name, but=[*ours, *engines.sessions(self._url(name))])
        if keeper is None:
            keeper = self._keepers[name] = psycopg.connect(self._dsn(name), autocommit=True)
        version = keeper.execute(_VERSION).fetchone()
        keeper.execute(_EMPTY_ALL)
        return version

    def _throw_out(self, name: str, but: Sequence[int] = ()) -> None:
        others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> ALL (%s)"
        self._admin.execute(others, [name, list(but)])

    def _new_name(self) -> str:
        return f"{self._prefix}_{next(self._numbers)}"

    def _create(self, name: str, template: str) -> str:
        self._made.add(name)
        self._admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template))))
        return name

    def _drop(self, name: str) -> None:
        engines.forget(self._url(name))
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        self._made.discard(name)
        keeper = self._keepers.pop(name, None)
        if keeper is not None:
            keeper.close()

    def _dsn(self, name: str | None) -> str:
        """The address as libpq reads it."""
        return self._server.set(database=name, drivername="postgresql").render_as_string(hide_password=False)

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)
