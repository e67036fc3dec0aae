"""Brings the tables up to this release. Loaded by nobody who only works: that would cost a fifth of each start."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from billing_worker.adapters.database.locks import AdvisoryLock

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the tables up to this release. Safe to run by several processes at once, and again."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as connection:
        # Two `db upgrade` at the same moment: the second waits here and then finds nothing to do.
        connection.execute(text(f"SELECT pg_advisory_lock({AdvisoryLock.UPGRADING.value})"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text(f"SELECT pg_advisory_unlock({AdvisoryLock.UPGRADING.value})"))
            connection.commit()
