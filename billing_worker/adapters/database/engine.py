"""Connections to PostgreSQL. Nothing here outlives a transaction, so that a transaction pooler may stand between."""

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
from billing_worker.adapters.database.unit_of_work import first_line
from billing_worker.domain.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a transaction may wait, in milliseconds; 0 is for ever."""

    statement: int
    lock: int
    idle: int

    @property
    def settings(self) -> dict[str, int]:
        """By PostgreSQL's names."""
        return {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": self.idle,
        }


WORKING = Limits(statement=30_000, lock=10_000, idle=30_000)
"""No transaction here waits for anything but the database itself, so these end only what is stuck."""

_PREPARED_FROM = 5
"""A statement that a direct connection runs so often is prepared: PostgreSQL then plans it once, not each time."""

_A_STANDBY_SAYS = (ReadOnlySqlTransaction, ObjectNotInPrerequisiteState)
"""The second where it is asked for its place in the write-ahead log, which is part of the database's identity."""


class Session(psycopg.Connection[Any]):
    """A connection whose every transaction begins with its own limits.

    Behind a transaction pooler the next transaction may run in another session of the server's: what was set at the
    connection's start, or once and for all, would be lost there or, worse, be found by another program.
    """

    begins = "BEGIN"
    limited = True
    direct = False
    """Whether the server's own process is at the other end; only then a prepared statement is sure to be ours."""

    def begin(self) -> None:
        """Begin a transaction with its limits: one message, so the limits cost no round trip."""
        if self.limited:
            self.execute(self.begins, prepare=False)  # several statements in one cannot be prepared

    def find_out(self) -> None:
        """Find out whether there is a pooler: a fact, not a guess.

        Both the number that the server told us at the start, and the address that it sees, must be those of this very
        connection. Address translation and Unix sockets make it look like a pooler, which costs time and nothing else.
        """
        row = self.execute("SELECT pg_backend_pid(), host(inet_client_addr()), inet_client_port()").fetchone()
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as own:
            here = own.getsockname() if own.family in {socket.AF_INET, socket.AF_INET6} else (None, None)
        self.direct = here[0] is not None and row == (self.info.backend_pid, here[0], here[1])
        self.prepare_threshold = _PREPARED_FROM if self.direct else None


class OwnBegin(PGDialect_psycopg):
    """SQLAlchemy's dialect for psycopg, but for how a transaction begins.

    psycopg's autocommit is always on, so that it begins none by itself.
    """

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin a transaction."""
        session = dbapi_connection.driver_connection
        if isinstance(session, Session):
            session.begin()

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """READ COMMITTED, or AUTOCOMMIT for what PostgreSQL refuses to do inside of a transaction."""
        if isinstance(dbapi_connection, Session):
            dbapi_connection.limited = level != "AUTOCOMMIT"
        else:
            super().set_isolation_level(dbapi_connection, level)  # type: ignore[no-untyped-call] # SQLAlchemy's has no types


registry.register("postgresql.billing", __name__, OwnBegin.__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """How the connections of an engine are opened: another engine with other limits needs it."""

    address: Address
    limits: Limits

    @property
    def begins(self) -> str:
        """What each transaction begins with."""
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

    Raises SettingsInvalid where the URL asks for what cannot be honoured.
    """
    return engine_for(Opening(Address.of(url, application), limits), pool_size)


def engine_for(opening: Opening, pool_size: int) -> Engine:
    """An engine whose connections are opened in this way."""
    engine = create_engine(
        opening.address.shown,
        creator=opening.connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        use_native_hstore=False,  # nothing is stored so, and looking for it costs each process a round trip
        hide_parameters=True,  # an error text must never hold a customer's data
        execution_options={"opening": opening},
    )
    event.listen(engine, "handle_error", _without_the_row)
    event.listen(engine, "handle_error", _leave_a_standby)
    return engine


def opening_of(engine: Engine) -> Opening:
    """How this engine's connections are opened."""
    found: Opening = engine.get_execution_options()["opening"]
    return found


def is_direct(engine: Engine) -> bool:
    """Whether no pooler stands between. Raises Unavailable."""
    try:
        with engine.connect() as connection:
            session = connection.connection.driver_connection
            return isinstance(session, Session) and session.direct
    except SQLAlchemyError as error:
        raise Unavailable(f"the database does not answer: {first_line(error)}") from error


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
