"""Errors of the driver, as errors of this package."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from billing_worker.domain.errors import Busy, Unavailable

HELD = (LockNotAvailable, DeadlockDetected)
"""Another transaction held the row for too long, or waited for one of ours: the server rolled this transaction back."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise the errors of this package instead of the driver's: Busy if nothing was done, else Unavailable."""
    try:
        yield
    except PoolTimeoutError as error:
        raise Unavailable("the database is busy: no connection became free in time") from error
    except (OperationalError, DBAPIError) as error:
        if isinstance(error.orig, HELD):
            raise Busy(f"the database is busy: {first_line(error)}") from error
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise Unavailable(f"the database does not answer: {first_line(error)}") from error
        raise


def first_line(error: SQLAlchemyError) -> str:
    """The driver's message without SQL and parameters, which may contain customer data."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
