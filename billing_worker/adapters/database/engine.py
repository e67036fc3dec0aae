"""Connections to PostgreSQL, and what must be true of the server before work starts."""

from datetime import UTC, datetime

from psycopg.errors import ObjectNotInPrerequisiteState, ReadOnlySqlTransaction
from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from billing_worker.adapters.database.unit_of_work import first_line
from billing_worker.domain.errors import SettingsInvalid, Unavailable

CONNECT_TIMEOUT = 5
"""Seconds; a server on the same network that needs longer is down."""
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 10_000
IDLE_IN_TRANSACTION_MS = 30_000
"""No transaction here waits for anything but the database itself, so these end only what is stuck."""

NEWEST_MIGRATION = "0012"
"""Of this release; written here so that no process loads the migrations in order to start."""


_A_STANDBY_SAYS = (ReadOnlySqlTransaction, ObjectNotInPrerequisiteState)
"""The second where it is asked for its place in the write-ahead log, which is part of the database's identity."""


def open_engine(url: str, *, pool_size: int, application: str) -> Engine:
    """An engine with a pool of at most `pool_size` connections. Connects at first use."""
    options = (
        f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
        f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
    )
    engine = create_engine(
        _postgresql(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # an error text must never hold a customer's data
        connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": application, "options": options},
    )
    event.listen(engine, "handle_error", _without_the_row)
    event.listen(engine, "handle_error", _leave_a_standby)
    return engine


def check_ready(engine: Engine) -> None:
    """Refuse to work on a database that does not answer or whose tables are not of this release.

    Raises Unavailable or SettingsInvalid with one line that names the way out.
    """
    current = migration_of(engine)
    if current != NEWEST_MIGRATION:
        needs = f"this release needs {NEWEST_MIGRATION}"
        state = "has no tables yet" if current is None else f"is at migration {current}, {needs}"
        raise SettingsInvalid(f"BILLING_DATABASE_URL: the database {state}; run: billing-worker db upgrade")


def migration_of(engine: Engine) -> str | None:
    """The database's migration, None before the first one. Raises Unavailable."""
    try:
        with engine.connect() as connection:
            if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (OperationalError, DBAPIError) as error:
        where = engine.url.render_as_string(hide_password=True)
        problem = f"cannot use the database {where}: {first_line(error)}"
        raise Unavailable(f"BILLING_DATABASE_URL: {problem}; is the server running?") from error


def server_time(engine: Engine) -> datetime:
    """What the server's clock shows now, aware UTC. Raises Unavailable."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC)  # type: ignore[no-any-return] # the column is a timestamptz
    except (OperationalError, DBAPIError) as error:
        raise Unavailable(f"the database does not answer: {first_line(error)}") from error


def _without_the_row(context: ExceptionContext) -> None:
    """What the server adds below its first line repeats the row, and a task event would carry it on to Flower."""
    if isinstance(context.sqlalchemy_exception, DBAPIError):
        line = first_line(context.sqlalchemy_exception)
        context.sqlalchemy_exception.args = context.original_exception.args = (line,)


def _leave_a_standby(context: ExceptionContext) -> None:
    """After a failover an old connection may lead to a server that only reads: as good as broken, and for ever."""
    if isinstance(context.original_exception, _A_STANDBY_SAYS):
        context.is_disconnect = True


def _postgresql(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise SettingsInvalid(
            "BILLING_DATABASE_URL: is not a URL such as postgresql://user:password@host/name"
        ) from error
    if parsed.get_backend_name() != "postgresql":
        name = parsed.get_backend_name()
        raise SettingsInvalid(f"BILLING_DATABASE_URL: only PostgreSQL is supported, not {name}")
    return parsed.set(drivername="postgresql+psycopg")
