"""Watch an upgrade: the sessions that block it, and the progress of an index."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

Tell = Callable[[str], None]

LOOK_EVERY = 0.3
"""Seconds. An upgrade waits ten times as long for a lock before it gives up."""
PROGRESS_EVERY = 2.0
"""Seconds between two reports of progress."""

_BLOCKED = text("""
    SELECT coalesce(l.relation::regclass::text, p.relid::regclass::text, '') AS held, b.pid,
           coalesce(nullif(b.application_name, ''), b.backend_type),
           coalesce(b.xact_start, b.backend_start) AS since
    FROM pg_stat_activity w
    JOIN pg_locks l ON l.pid = w.pid AND NOT l.granted
    CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS blocking (pid)
    JOIN pg_stat_activity b ON b.pid = blocking.pid
    LEFT JOIN pg_stat_progress_create_index p ON p.pid = w.pid
    WHERE w.datname = current_database() AND w.application_name = :application AND w.pid <> pg_backend_pid()
      AND b.application_name IS DISTINCT FROM :application
    ORDER BY b.xact_start LIMIT 1
""")
_INDEX = text("""
    SELECT p.relid::regclass::text, coalesce('index ' || nullif(p.index_relid, 0)::regclass::text, 'an index'),
           100 * greatest(p.blocks_done, p.tuples_done) / nullif(greatest(p.blocks_total, p.tuples_total), 0)
    FROM pg_stat_progress_create_index p JOIN pg_stat_activity a USING (pid) JOIN pg_class t ON t.oid = p.relid
    WHERE a.datname = current_database() AND a.application_name = :application
""")


class Watch:
    """Watches in a separate thread while another connection migrates.

    Each look is a separate transaction: a concurrent index build waits for every transaction that has a snapshot, and
    would wait for ever for one that ends after it.
    """

    def __init__(self, engine: Engine, application: str, tell: Tell) -> None:
        self._engine = engine
        self._application = {"application": application}
        self._tell = tell
        self._told = time.monotonic()
        self._over = threading.Event()
        self.blocked_by: str | None = None
        """The last blocking session, in words."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs."""
        self._over.clear()
        thread = threading.Thread(target=self._run, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def progress(self, line: str) -> None:
        """Report the progress, at a readable rate."""
        if time.monotonic() - self._told >= PROGRESS_EVERY:
            self._told = time.monotonic()
            self._tell(line)

    def _run(self) -> None:
        # The work goes on without a look, but without a report of blocking sessions.
        with suppress(SQLAlchemyError), self._engine.connect() as connection:
            while not self._over.wait(LOOK_EVERY):
                self._look(connection)
                connection.rollback()

    def _look(self, connection: Connection) -> None:
        row = connection.execute(_BLOCKED, self._application).first()
        if row is not None:
            said = in_use(*row)
            if said != self.blocked_by:
                self.blocked_by = said
                self._tell(f"waiting: {said}")
        for table, index, percent in connection.execute(_INDEX, self._application):
            self.progress(f"table {table}: {index} is built, {percent or 0} %")


def in_use(held: str, pid: int, application: str | None, since: datetime | None) -> str:
    """`table outbox is in use by pid 4711 (psql, since 2026-11-29 03:00:00 UTC)`."""
    # The server hides the sessions of other roles from an unprivileged role.
    who = application or "a session of another role"
    began = f", since {since:%Y-%m-%d %H:%M:%S} UTC" if since is not None else ""
    return f"{f'table {held}' if held else 'what is needed'} is in use by pid {pid} ({who}{began})"
