"""The operation of this installation: signs of processes, the watch of them, and what was refused at the door."""

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Column, PrimaryKeyConstraint, String, Table, Text

from billing_worker.adapters.database.tables.schema import Named, ident, metadata, moment, one_of
from billing_worker.domain.presence import Role

processes = Table(
    "processes",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("role", Named(Role), nullable=False),
    moment("started_at"),
    moment("seen_at"),
    moment("rung_at", required=False),
    moment("worked_at", required=False),
    Column("queues", ARRAY(Text), nullable=False),
    one_of("role", Role),
)
"""One row for each process that gives signs; one that gives none is deleted after an hour."""


process_watches = Table(
    "process_watches",
    metadata,
    ident(),
    moment("since"),
    moment("seen_at"),
)
"""Since when processes are looked at without a pause: one row."""


refused_notifications = Table(
    "refused_notifications",
    metadata,
    moment("hour"),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour", "source", "reason"),
    CheckConstraint("count > 0", name="count_positive"),
)
"""Counts of refused notifications, kept for a week; a flood adds to one row."""
