"""The records of reviews: comparisons, alerts and audits."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from billing_worker.adapters.database.tables.schema import Named, metadata, moment, one_of, partial_index
from billing_worker.domain.alert_digest import AlertChannel
from billing_worker.domain.comparison import ComparisonStatus

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    moment("starts_at"),
    moment("ends_at"),
    Column("status", Named(ComparisonStatus), nullable=False),
    moment("created_at"),
    moment("next_try_at"),
    Column("tries", Integer, nullable=False),
    Column("payments", Integer, nullable=False),
    Column("others", Integer, nullable=False),
    Column("booked", Integer, nullable=False),
    Column("alerted", Integer, nullable=False),
    moment("finished_at", required=False),
    Column("note", Text),
    one_of("status", ComparisonStatus),
    CheckConstraint("ends_at > starts_at", name="span_runs_forward"),
    CheckConstraint("(status = 'done') = (finished_at IS NOT NULL)", name="done_has_time"),
    Index("ix_comparisons_ends_at", "ends_at"),
    partial_index("ix_comparisons_tries", "next_try_at", where="status <> 'done'"),
)


alerts = Table(
    "alerts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("detail", Text),
    moment("opened_at"),
    moment("closed_at", required=False),
    Column("proposal", Text),
    Column("evidence_id", ForeignKey("evidence.id")),
    Column("facts", JSONB),
    CheckConstraint("detail IS NOT NULL OR facts IS NOT NULL", name="says_something"),
    Index("ix_alerts_subject_id", "subject_id", "kind"),
    partial_index("ix_alerts_forgotten", "closed_at", where="closed_at IS NOT NULL"),
    partial_index("uq_alerts_one_open", "kind", "subject_id", where="closed_at IS NULL", unique=True),
)


alert_changes = Table(
    "alert_changes",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("channel", Named(AlertChannel), nullable=False),
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("is_open", Boolean, nullable=False),
    moment("changed_at"),
    moment("told_at", required=False),
    one_of("channel", AlertChannel),
    Index("ix_alert_changes_alert_id", "alert_id"),
    partial_index("ix_alert_changes_waiting", "channel", "number", where="told_at IS NULL"),
    partial_index("ix_alert_changes_told", "told_at", where="told_at IS NOT NULL"),
)
"""What each channel to the operator is told of: one row for each opening and closing of an alert."""


alert_paces = Table(
    "alert_paces",
    metadata,
    Column("id", Text, primary_key=True),
    Column("wait", Interval, nullable=False),
    moment("told_at", required=False),
    moment("lease_until", required=False),
    moment("sending_until", required=False),
    Column("fence", BigInteger, nullable=False),
)


audits = Table(
    "audits",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    moment("began_at"),
    moment("until"),
    moment("finished_at", required=False),
    Column("checked", BigInteger),
    Column("breaches", Integer),
    moment("reached", required=False),
    moment("lease_until", required=False),
    Index("ix_audits_began_at", "began_at"),
)


def _totals(count: type[Integer]) -> list[Column[Any]]:
    """Invoices by currency and slot: a quarter of an hour, or days that are in one month in every zone."""
    counts = ("open", "paid", "uncollectible", "void", "in_dunning", "recovered")
    return [
        moment("slot"),
        Column("currency", String(3), nullable=False),
        *(Column(name, count, nullable=False, server_default="0") for name in counts),
        *(Column(name, BigInteger, nullable=False, server_default="0") for name in ("paid_amount", "refunded_amount")),
    ]


invoice_deltas = Table("invoice_deltas", metadata, *_totals(Integer))
"""What each statement added to the totals, written by triggers in its own transaction; folded into the totals later."""


invoice_totals = Table("invoice_totals", metadata, *_totals(BigInteger), PrimaryKeyConstraint("slot", "currency"))
"""The totals without the deltas: only the sum of both says how things stand."""
