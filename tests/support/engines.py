"""Engines for worlds: one outlives its test, with its connections, so that the next test need not warm it up.

A new engine compiles every statement again, and a new connection reads the tables and plans each statement again: that
is a third of what a short test costs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine

from billing_worker.adapters.database.engine import open_engine

POOL = 12

_AS_NEW = (
    "RESET SESSION AUTHORIZATION; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; CLOSE ALL;"
    " DISCARD SEQUENCES"
)
"""What a test may leave in a session, but for what makes it warm: prepared statements and their plans.

No engine of ours sets anything for a session: each transaction begins with its own settings.
"""

_idle: dict[str, list[Engine]] = {}
"""By the address of the database."""


def lend(url: str) -> Engine:
    """An engine of its own: what a test listens to, it hears of this engine alone."""
    idle = _idle.get(url)
    kept = idle.pop() if idle else open_engine(url, pool_size=POOL, application="test")
    if not _is_as_new(kept):
        kept.dispose()
    return kept.execution_options(kept=kept, kept_for=url)


def give_back(engine: Engine) -> None:
    """Keep it for the next test, unless a connection is still in use."""
    options = engine.get_execution_options()
    kept: Engine = options["kept"]
    if kept.pool.checkedout():  # type: ignore[attr-defined] # a QueuePool has it
        kept.dispose()
    else:
        _idle.setdefault(options["kept_for"], []).append(kept)


def forget(url: str) -> None:
    """Close all connections to a database that goes away."""
    for engine in _idle.pop(url, []):
        engine.dispose()


def sessions(url: str) -> list[int]:
    """The process ids of the server at the other end of what is kept for this database."""
    found = []
    for engine in _idle.get(url, ()):
        with _idle_connections(engine) as taken:
            found += [each.info.backend_pid for each in taken]
    return found


def _is_as_new(engine: Engine) -> bool:
    """Clean each idle session; False where a test has ended one at the server."""
    with _idle_connections(engine) as taken:
        try:
            for each in taken:
                each.execute(_AS_NEW)
        except psycopg.Error:
            return False
        return True


@contextmanager
def _idle_connections(engine: Engine) -> Iterator[list[psycopg.Connection[Any]]]:
    taken = [engine.raw_connection() for _ in range(engine.pool.checkedin())]  # type: ignore[attr-defined] # as above
    try:
        yield [each.driver_connection for each in taken if isinstance(each.driver_connection, psycopg.Connection)]
    finally:
        for each in taken:
            each.close()
