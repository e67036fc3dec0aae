"""Connections to PostgreSQL. No state outlives a transaction, so that a transaction pooler may be used."""

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.errors import ObjectNotInPrerequisiteState, ReadOnlySqlTransaction
from sqlalchemy import Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from billing_worker.adapters.database.address import Address
from billing_worker.adapters.database.trouble import first_line
from billing_worker.domain.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a transaction may wait, in milliseconds; 0 means without limit."""

    statement: int
    lock: int
    idle: int

    @property
    def settings(self) -> dict[str, int]:
        """The limits by PostgreSQL's names."""
        return {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": self.idle,
        }


WORKING = Limits(statement=30_000, lock=10_000, idle=30_000)
"""A transaction waits only for the database itself, so these limits end only stuck ones."""

_PREPARED_FROM = 5
"""A direct connection prepares a statement after this many runs: PostgreSQL then plans it once, not each time."""

_A_STANDBY_SAYS = (ReadOnlySqlTransaction, ObjectNotInPrerequisiteState)
"""The second when a query asks for its place in the write-ahead log, which is part of the database's identity."""


class Session(psycopg.Connection[Any]):
    """A connection whose every transaction begins with its own limits.

    Behind a transaction pooler, the next transaction may run in another session of the server. Settings of the session
    would be lost there or, worse, reach another program.
    """

    begins = "BEGIN"
    limited = True
    direct = False
    """Whether the server's process is at the other end; only then are prepared statements surely ours."""

    def begin(self) -> None:
        """Begin a transaction with its limits: one message, so the limits cost no round trip."""
        if self.limited:
            self.execute(self.begins, prepare=False)  # several statements in one cannot be prepared

    def find_out(self) -> None:
        """Find out whether there is a pooler, by a fact instead of a guess.

        The process id that the server sent at the start, and the address that it sees, must be those of this
        connection. Address translation and Unix sockets look like a pooler, which costs only time.
        """
        row = self.execute("SELECT pg_backend_pid(), host(inet_client_addr()), inet_client_port()").fetchone()
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as own:
            here = own.getsockname() if own.family in {socket.AF_INET, socket.AF_INET6} else (None, None)
        self.direct = here[0] is not None and row == (self.info.backend_pid, here[0], here[1])
        self.prepare_threshold = _PREPARED_FROM if self.direct else None


class OwnBegin(PGDialect_psycopg):
    """SQLAlchemy's dialect for psycopg, with another way to begin a transaction.

    psycopg's autocommit is always on, so that it begins no transaction by itself.
    """

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin a transaction."""
        session = dbapi_connection.driver_connection
        if isinstance(session, Session):
            session.begin()

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """READ COMMITTED, or AUTOCOMMIT for statements that PostgreSQL refuses in a transaction."""
        if isinstance(dbapi_connection, Session):
            dbapi_connection.limited = level != "AUTOCOMMIT"
        else:
            super().set_isolation_level(dbapi_connection, level)  # type: ignore[no-untyped-call] # SQLAlchemy's has no types


registry.register("postgresql.billing", __name__, OwnBegin.__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """The parameters that open an engine's connections, for another engine with other limits."""

    address: Address
    limits: Limits

    @property
    def begins(self) -> str:
        """The statements that begin each transaction."""
        ours = "".join(f"; SET LOCAL {name} = {value}" for name, value in self.limits.settings.items())
        return f"BEGIN ISOLATION LEVEL READ COMMITTED{ours}; SET LOCAL timezone = 'UTC'{self.address.applied}"

    def connect(self) -> Session:
        """A new connection."""
        session = Session.connect(**self.address.parameters, autocommit=True, prepare_threshold=None)  # type: ignore[arg-type] # libpq's parameters are text
        try:
            session.begins = self.begins
            session.find_out()
        except BaseException:
            session.close()
            raise
        return session


def open_engine(url: str, *, pool_size: int, application: str, limits: Limits = WORKING) -> Engine:
    """An engine with a pool of at most `pool_size` connections. Connects at first use.

    Raises SettingsInvalid if the URL has an unsupported part.
    """
    return engine_for(Opening(Address.of(url, application), limits), pool_size)


def engine_for(opening: Opening, pool_size: int) -> Engine:
    """An engine with these parameters."""
    engine = create_engine(
        opening.address.shown,
        creator=opening.connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        use_native_hstore=False,  # no column has hstore, and looking for it costs each process a round trip
        hide_parameters=True,  # an error text must never hold a customer's data
        execution_options={"opening": opening},
    )
    event.listen(engine, "handle_error", _without_the_row)
    event.listen(engine, "handle_error", _leave_a_standby)
    return engine


def opening_of(engine: Engine) -> Opening:
    """The parameters that open this engine's connections."""
    found: Opening = engine.get_execution_options()["opening"]
    return found


def is_direct(engine: Engine) -> bool:
    """Whether there is no pooler in between. Raises Unavailable."""
    try:
        with engine.connect() as connection:
            session = connection.connection.driver_connection
            return isinstance(session, Session) and session.direct
    except SQLAlchemyError as error:
        raise Unavailable(f"the database does not answer: {first_line(error)}") from error


def server_time(engine: Engine) -> datetime:
    """The time of the server's clock, aware UTC. Raises Unavailable."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC)  # type: ignore[no-any-return] # the column is a timestamptz
    except (OperationalError, DBAPIError) as error:
        raise Unavailable(f"the database does not answer: {first_line(error)}") from error


def _without_the_row(context: ExceptionContext) -> None:
    """Keep only the first line of the server's message.

    The rest repeats the row, and a task event would carry it to Flower.
    """
    if isinstance(context.sqlalchemy_exception, DBAPIError):
        line = first_line(context.sqlalchemy_exception)
        context.sqlalchemy_exception.args = context.original_exception.args = (line,)


def _leave_a_standby(context: ExceptionContext) -> None:
    """After a failover, an old connection may lead to a server that only reads. Treat it as broken."""
    if isinstance(context.original_exception, _A_STANDBY_SAYS):
        context.is_disconnect = True
