"""Upgrade the tables to this release. Ordinary processes do not import it, which saves a fifth of their start."""

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
from billing_worker.adapters.database.trouble import HELD
from billing_worker.adapters.database.verdicts import not_upgradable
from billing_worker.adapters.database.watch import Tell, Watch, in_use
from billing_worker.domain.errors import Unavailable

_MIGRATIONS = Path(__file__).parent / "migrations"

APPLICATION = "billing-upgrade"
"""The name of the upgrade in the server's list of sessions."""

LIMITS = Limits(statement=0, lock=3_000, idle=0)
"""A statement may need an hour. But a session that waits for a table blocks all later ones, so it gives up and tries
again."""


CONNECTIONS = 3
"""One connection holds the lock against a second upgrade, one migrates, one watches."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a held lock is tried, and how the pauses in between grow, in seconds."""

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
    """Upgrade the tables to this release; returns the earlier migration. Concurrent or repeated calls are harmless.

    `tell` gets reports of blocking sessions and of progress. Raises Unavailable or SettingsInvalid, with the way out in
    one line. Finished steps stay done, and the next call continues after them.
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
    """Take the exclusive lock of upgrades while this transaction is open. Waits for another upgrade."""
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
"""A statement without a snapshot. An earlier query keeps its snapshot until the next statement, and a concurrent index
build waits for every transaction with a snapshot, including this one."""


def _prepare(engine: Engine) -> str | None:
    """Refuse an impossible upgrade before any change; returns the present migration."""
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
    """Copy our migration to our own table. An `alembic_version` without another entry was ours alone."""
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
    """Apply one migration after the other. If another session holds a table, give up and try again after a pause."""
    pauses = patience.pauses()

    def applied() -> None:
        nonlocal pauses
        pauses = patience.pauses()
        guard.execute(_STILL_THERE)  # raises if the lock was lost with its session

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
