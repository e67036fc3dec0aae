"""Errors of PostgreSQL, a pooler or the network, each as one true line with its way out."""

import re

from psycopg import errors
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from billing_worker.adapters.database.address import NAME, Address
from billing_worker.adapters.database.trouble import first_line
from billing_worker.domain.errors import BillingError, ReadOnly, SettingsInvalid, Unavailable

_NOBODY_ANSWERED = re.compile(
    r"Connection refused|timeout expired|timed out|No route to host|Network is unreachable|No such file or directory"
    r"|Name or service not known|failed to resolve host|could not translate host name|Temporary failure in name"
    r"|Connection reset by peer|Host is down",
    re.IGNORECASE,
)
"""Messages of libpq, psycopg and the local operating system, never of a server."""

_WAYS_OUT = {
    "password authentication failed|SASL authentication failed|no such user": "correct user and password there",
    'role ".*" does not exist': "correct the user there, or create it: CREATE ROLE … LOGIN PASSWORD …",
    'database ".*" does not exist|no such database': "correct the name there, or create it: CREATE DATABASE …",
    "no password supplied|password missing": "write it there: postgresql://user:password@host/name",
    "no pg_hba.conf entry|pg_hba.conf rejects": "allow this host, user and database in the server's pg_hba.conf",
    "too many (clients|connections)|remaining connection slots|no more connections": (
        "raise the server's max_connections, or put a transaction pooler between"
    ),
    "does not support SSL|SSL (connection )?(is )?required": "set ?sslmode= there to what the server offers",
    "certificate|SSL error": "correct ?sslmode= and ?sslrootcert= there",
    "starting up|shutting down|not yet accepting": "it answers again soon; try again",
    "unsupported startup parameter": f"leave that parameter out of {NAME} and of the environment (PG…)",
    "transaction blocks not allowed in statement": "set pool_mode = transaction for this database in the pooler",
    "session is (not )?read-only|server is (not )?in hot standby": (
        "no host there satisfies target_session_attrs; name the primary"
    ),
}
"""Ways out by the messages of PostgreSQL, libpq and PgBouncer. Any other message is shown without a way out."""


def cannot_connect(error: SQLAlchemyError, address: Address) -> Unavailable:
    """The line for a failed or lost connection: the message, its source, and the way out."""
    said = first_line(error)
    problem = f"{NAME}: cannot use the database {address.where}: {said}"
    if _NOBODY_ANSWERED.search(said):
        return Unavailable(f"{problem}; is the server running?")
    for words, way_out in _WAYS_OUT.items():
        if re.search(words, str(getattr(error, "orig", error)), re.IGNORECASE):
            return Unavailable(f"{problem}; {way_out}")
    return Unavailable(problem)


def refused(error: DBAPIError) -> BillingError | None:
    """The line for a refusal by the set-up; None for an error that only our own mistake can cause."""
    said = first_line(error)
    line: BillingError | None = None
    match error.orig:
        case errors.InsufficientPrivilege():
            way_out = "let the tables' owner run this, or grant what docs/postgresql.md lists"
            line = SettingsInvalid(f"{NAME}: its user has too few rights: {said}; {way_out}")
        case errors.DuplicateTable() | errors.DuplicateObject() | errors.DuplicateFunction():
            line = SettingsInvalid(f"{NAME}: another application uses this name: {said}; {OWN_PLACE}")
        case errors.ReadOnlySqlTransaction():
            line = read_only(standby=False)
        case errors.InvalidSchemaName():
            line = SettingsInvalid(f"{NAME}: {said}; create it: CREATE SCHEMA …, or correct search_path there")
        case errors.CantChangeRuntimeParam() | errors.UndefinedObject() | errors.InvalidParameterValue():
            line = SettingsInvalid(f"{NAME}: options: the server refuses a setting: {said}; correct it there")
        case errors.DiskFull():
            line = Unavailable(f"{NAME}: the server's disk is full: {said}; make room, and run this again")
    return line


def in_one_line(error: SQLAlchemyError, address: Address) -> BillingError | None:
    """The line for any message of the database; None for our own mistake."""
    if isinstance(error, DBAPIError):
        known = refused(error)
        if known is not None:
            return known
        if isinstance(error.orig, errors.OperationalError | errors.InterfaceError) or error.connection_invalidated:
            return cannot_connect(error, address)
        return None
    return cannot_connect(error, address)


OWN_PLACE = (
    "give billing-worker a database or a schema of its own: CREATE SCHEMA billing, and ?search_path=billing at the end"
    f" of {NAME}"
)


def read_only(*, standby: bool) -> ReadOnly:
    """The line for a server that does not write."""
    what = "the server is a standby and only reads" if standby else "default_transaction_read_only is on there"
    way_out = (
        "name the primary, or all hosts: postgresql://user:password@one,two/name?target_session_attrs=read-write"
        if standby
        else "ALTER DATABASE … or ALTER ROLE … RESET default_transaction_read_only"
    )
    return ReadOnly(f"{NAME}: {what}; {way_out}")
