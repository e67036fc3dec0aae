"""Run by Alembic; the connection comes from `engine.upgrade`."""

from alembic import context

from billing_worker.adapters.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
