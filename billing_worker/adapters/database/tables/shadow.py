"""Shadow mode: what would have been charged, and the days that were compared."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, ForeignKey, Index, Integer, String, Table

from billing_worker.adapters.database.tables.schema import (
    Named,
    ident,
    metadata,
    moment,
    money,
    one_of,
    partial_index,
)
from billing_worker.domain.shadow import ShadowResult

shadow_charges = Table(
    "shadow_charges",
    metadata,
    ident(),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("period_index", Integer),
    *money(),
    moment("at"),
    Column("result", Named(ShadowResult)),
    Column("imp_uid", String(64), unique=True),
    Column("taken", BigInteger),
    one_of("result", ShadowResult),
    CheckConstraint("period_index IS NOT NULL OR result = 'unexpected'", name="decided_or_unexpected"),
    partial_index(
        "uq_shadow_charges_period", "subscription_id", "period_index", where="period_index IS NOT NULL", unique=True
    ),
    Index("ix_shadow_charges_at", "at", "id"),
)


shadow_days = Table(
    "shadow_days",
    metadata,
    Column("day", Date, primary_key=True),
    moment("lease_until", required=False),
    moment("compared_at", required=False),
    partial_index("ix_shadow_days_open", "day", where="compared_at IS NULL"),
)
"""The days since the first decision, in UTC."""
