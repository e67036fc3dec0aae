"""Run by Alembic; the connection comes from `upgrade`."""

from typing import Any

from alembic import context

from billing_worker.adapters.database.found import VERSION_TABLE
from billing_worker.adapters.database.tables.schema import metadata


def applied(*_: Any, **__: Any) -> None:
    """Called at the end of each migration, inside its transaction."""
    told = context.config.attributes.get("applied")
    if told is not None:
        told()


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transaction_per_migration=True,  # an interrupted upgrade continues with that migration, not with the first one
    on_version_apply=applied,
)
with context.begin_transaction():
    context.run_migrations()
