"""Hourly totals of outcomes and of times."""

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, SmallInteger, Table, Text

from billing_worker.adapters.database.tables.schema import metadata, moment


def _counts(count: type[Integer]) -> list[Column[Any]]:
    return [
        moment("hour"),
        Column("measure", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("bucket", SmallInteger, nullable=False),
        Column("counted", count, nullable=False),
        Column("total_ms", BigInteger, nullable=False),
    ]


_KEY = ("hour", "measure", "subject", "kind", "outcome", "bucket")

hourly_deltas = Table("hourly_deltas", metadata, *_counts(Integer))
"""What each statement added, written by triggers in its own transaction; folded into the totals later."""


hourly_totals = Table("hourly_totals", metadata, *_counts(BigInteger), PrimaryKeyConstraint(*_KEY))
"""The totals without the deltas: of each hour of two weeks, and, in the hour `epoch`, of all time."""
