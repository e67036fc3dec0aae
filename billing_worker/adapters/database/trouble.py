"""Errors of the driver: which of them mean that nothing was done, and what may be shown of them."""

from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.exc import SQLAlchemyError

HELD = (LockNotAvailable, DeadlockDetected)
"""Another transaction held the row for too long, or waited for one of ours: the server rolled this transaction back."""


def first_line(error: SQLAlchemyError) -> str:
    """The driver's message without SQL and parameters, which may contain customer data."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
