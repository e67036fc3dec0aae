"""Brings the tables up to this release. Loaded by nobody who only works: that would cost a fifth of each start."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from billing_worker.adapters.database import refusals
from billing_worker.adapters.database.address import NAME
from billing_worker.adapters.database.engine import Limits, Opening, engine_for, opening_of
from billing_worker.adapters.database.found import NEWEST_MIGRATION, VERSION_TABLE
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.readiness import look
from billing_worker.adapters.database.unit_of_work import HELD
from billing_worker.adapters.database.verdicts import not_upgradable
from billing_worker.adapters.database.watch import Tell, Watch, in_use
from billing_worker.domain.errors import Unavailable

_MIGRATIONS = Path(__file__).parent / "migrations"

APPLICATION = "billing-upgrade"
"""Under this name the server's lists show it."""

LIMITS = Limits(statement=0, lock=3_000, idle=0)
"""A statement may need an hour. But who waits for a table holds up all who come after: it lets go, and asks again."""


CONNECTIONS = 3
"""One that keeps a second upgrade away, one that migrates, one that looks on."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a lock that somebody holds is asked for, and how long the pauses between grow, in seconds."""

    tries: int = 12
    first_pause: float = 0.5
    longest_pause: float = 20.0

    def pauses(self) -> Iterator[float]:
        """The pause after each try but the last."""
        for number in range(self.tries - 1):
            yield min(self.first_pause * 2**number, self.longest_pause)


PATIENT = Patience()
"""Three minutes and a half in all."""


def upgrade(engine: Engine, tell: Tell = lambda _: None, patience: Patience = PATIENT) -> str | None:
    """Bring the tables up to this release; returns the migration before. Several at once, or again, do no harm.

    `tell` hears who holds what is needed, and how far long work is. Raises Unavailable or SettingsInvalid with one line
    that names the way out; what was done before stays done, and the next call goes on from there.
    """
    opening = opening_of(engine)
    own = Opening(opening.address.under(APPLICATION), LIMITS)
    migrating = engine_for(own, CONNECTIONS)
    try:
        with migrating.connect() as guard:
            _be_alone(guard, tell)
            before = _prepare(migrating)
            if before != NEWEST_MIGRATION:
                _migrate(migrating, guard, tell, patience)
            return before
    except SQLAlchemyError as error:
        line = refusals.in_one_line(error, own.address)
        if line is None:
            raise
        raise line from error
    finally:
        migrating.dispose()


def _be_alone(guard: Connection, tell: Tell) -> None:
    """Take the lock that no two upgrades have; while this transaction is open. Waits as long as another one works."""
    taken = text(f"SELECT pg_try_advisory_xact_lock({AdvisoryLock.UPGRADING.value})")
    holder = text("""
        SELECT a.pid, a.application_name, coalesce(a.xact_start, a.backend_start)
        FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND l.objid = :number AND l.classid = 0
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """)
    pause, said = 0.2, False
    while not guard.execute(taken).scalar_one():
        other = guard.execute(holder, {"number": AdvisoryLock.UPGRADING.value}).first()
        guard.rollback()
        if other is not None and not said:
            tell(f"waiting for another upgrade: {in_use('', *other)}")
            said = True
        time.sleep(pause)
        pause = min(2 * pause, 5.0)
    guard.execute(_STILL_THERE)


_STILL_THERE = text("SET LOCAL statement_timeout = 0")
"""A statement that reads nothing. The last one that read keeps its view of the rows until the next one comes, and an
index that is built beside others' work waits for every transaction that has such a view, also for this."""


def _prepare(engine: Engine) -> str | None:
    """Refuse what cannot go well, before anything is changed; returns the migration that is there."""
    with engine.connect() as connection:
        found = look(connection, LIMITS)
        problem = not_upgradable(found, LIMITS)
        if problem is not None:
            raise problem
        if not found.carried_over:
            _carry_over(connection, str(found.version))
            connection.commit()
        return found.version


def _carry_over(connection: Connection, version: str) -> None:
    """Note our migration in a table of our own; an `alembic_version` in which nothing else stands was ours alone."""
    connection.execute(text(f"CREATE TABLE {VERSION_TABLE} (version_num varchar(32) NOT NULL)"))
    connection.execute(
        text(f"ALTER TABLE {VERSION_TABLE} ADD CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num)")
    )
    noted = text(f"INSERT INTO {VERSION_TABLE} VALUES (:version)")  # noqa: S608 - a name of our own
    connection.execute(noted, {"version": version})
    connection.execute(text("DELETE FROM alembic_version WHERE version_num = :version"), {"version": version})
    if not connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one():
        connection.execute(text("DROP TABLE alembic_version"))


def _migrate(engine: Engine, guard: Connection, tell: Tell, patience: Patience) -> None:
    """Apply one migration after the other; where somebody holds a table, let go and try again after a pause."""
    pauses = patience.pauses()

    def applied() -> None:
        nonlocal pauses
        pauses = patience.pauses()
        guard.execute(_STILL_THERE)  # raises where the lock was lost with its session

    watch = Watch(engine, APPLICATION, tell)
    while True:
        try:
            with watch.watching(), engine.connect() as connection:
                command.upgrade(_config(connection, applied=applied, progress=watch.progress), "head")
                return
        except DBAPIError as error:
            if not isinstance(error.orig, HELD):
                raise
            said = watch.blocked_by or "a table is in use by another session"
            pause = next(pauses, None)
            if pause is None:
                way_out = "end that session, or wait for its end; then run again: billing-worker db upgrade"
                raise Unavailable(f"{NAME}: {said}; {way_out}") from error
        tell(f"{said}; trying again in {pause:g} s")
        time.sleep(pause)


def _config(connection: Connection, **heard: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes.update(heard, connection=connection)
    return config
