"""Changes of a large table while others use it: concurrent indexes, and rows in batches.

Each change may be interrupted at any moment and run again: none shares a transaction with the migration's number.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import context, op
from sqlalchemy import Connection, TextClause, text

from billing_worker.adapters.database.address import NAME
from billing_worker.adapters.database.engine import Session
from billing_worker.domain.errors import SettingsInvalid

BATCH = 20_000
"""Rows per transaction: about a second of work, so that no other session waits long for them."""


_IS_VALID = text("""
    SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relname = :name AND c.relnamespace = CAST(quote_ident(:schema) AS regnamespace)
""")


def index(
    name: str, table: str, columns: Sequence[str | TextClause], *, where: str | None = None, unique: bool = False
) -> None:
    """Create an index without blocking writers. An interrupted one is dropped and created again."""
    # Outside a transaction, the URL's search path does not apply.
    schema = op.get_bind().execute(text("SELECT current_schema()")).scalar_one()
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        _lift_limits(connection)
        is_valid = connection.execute(_IS_VALID, {"schema": schema, "name": name}).scalar()
        if is_valid is False:
            op.drop_index(name, table_name=table, schema=schema, postgresql_concurrently=True)
        if not is_valid:
            made: Any = list(columns)
            op.create_index(
                name,
                table,
                made,
                schema=schema,
                unique=unique,
                postgresql_where=text(where) if where else None,
                postgresql_concurrently=True,
            )


def in_batches(table: str, order: str, statement: str) -> None:
    """Run a statement for each range of `order`, the table's ascending number. Each range is a transaction.

    The statement has `:after` (exclusive) and `:until` (inclusive), and skips rows that it has already changed.
    """
    ahead = f"SELECT {order} FROM {table} WHERE {order} > :after ORDER BY {order} LIMIT {BATCH}"  # noqa: S608 - our own names
    stretch = text(f"SELECT max({order}) FROM ({ahead}) AS ahead")  # noqa: S608 - as above
    last = op.get_bind().execute(text(f"SELECT coalesce(max({order}), 0) FROM {table}")).scalar_one()  # noqa: S608
    after: int | None = -1
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        while after is not None:
            with _transaction(connection):
                until = connection.execute(stretch, {"after": after}).scalar_one()
                if until is not None:
                    connection.execute(text(statement), {"after": after, "until": until})
            if until is not None:
                print_line(f"table {table}: rows up to number {until:,} of {max(last, until):,} are done")
            after = until


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    """A separate transaction, with its limits and the URL's search path."""
    session = connection.connection.driver_connection
    if not isinstance(session, Session):
        raise TypeError("this connection was not opened by us")
    session.execute(session.begins, prepare=False)
    try:
        yield
    except BaseException:
        session.rollback()
        raise
    session.commit()


def print_line(line: str) -> None:
    """Print the progress of long work."""
    told: Callable[[str], None] | None = context.config.attributes.get("progress")
    if told is not None:
        told(line)


def _lift_limits(connection: Connection) -> None:
    """Lift the role's limits, which apply outside a transaction. A pooler's session must not be changed.

    Raises SettingsInvalid if such a limit would end the work.
    """
    session = connection.connection.driver_connection
    names = ("statement_timeout", "lock_timeout")
    if isinstance(session, Session) and session.direct:
        for name in names:
            connection.execute(text(f"SET {name} = 0"))
        return
    for name in names:
        limit = connection.execute(text(f"SHOW {name}")).scalar_one()
        if limit != "0":
            problem = f"a pooler is in front of the server, where {name} is {limit} for this role"
            way_out = "long work needs it lifted: run db upgrade with the server's own address"
            raise SettingsInvalid(f"{NAME}: {problem}; {way_out}")
