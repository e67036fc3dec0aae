"""Notices to customers, and how far the coming charges were looked at."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from billing_worker.adapters.database.tables.schema import Named, ident, metadata, moment, one_of, partial_index
from billing_worker.domain.notices.notice import Channel, NoticeKind, NoticeStatus

_WAITS = "status = 'pending'"

notices = Table(
    "notices",
    metadata,
    ident(),
    Column("number", BigInteger, Identity(), nullable=False, unique=True),
    Column("kind", Named(NoticeKind), nullable=False),
    Column("channel", Named(Channel), nullable=False),
    Column("subject_id", String(40), nullable=False),
    Column("step", String(40), nullable=False),
    Column("customer", String(120), nullable=False),
    moment("created_at"),
    moment("due_at"),
    moment("next_try_at"),
    Column("invoice_id", ForeignKey("invoices.id")),
    Column("subscription_id", ForeignKey("subscriptions.id")),
    Column("status", Named(NoticeStatus), nullable=False),
    Column("tries", Integer, nullable=False),
    moment("first_tried_at", required=False),
    moment("closed_at", required=False),
    Column("note", Text),
    moment("lease_until", required=False),
    moment("sending_until", required=False),
    Column("fence", BigInteger, nullable=False),
    Column("may_have_arrived", Boolean, nullable=False),
    Column("card_session_id", ForeignKey("card_sessions.id")),
    one_of("kind", NoticeKind),
    one_of("channel", Channel),
    one_of("status", NoticeStatus),
    CheckConstraint("subject_id = coalesce(invoice_id, subscription_id)", name="has_subject"),
    CheckConstraint(f"({_WAITS}) = (closed_at IS NULL)", name="closed_has_time"),
    Index("uq_notices_step", "subject_id", "kind", "step", "channel", unique=True),
    Index("ix_notices_subscription_id", "subscription_id"),
    Index("ix_notices_customer", "customer", "number"),
    partial_index("ix_notices_waiting", "channel", "next_try_at", where=_WAITS),
    partial_index("ix_notices_leased", "channel", "lease_until", where="lease_until IS NOT NULL"),
    partial_index("ix_notices_forgotten", "closed_at", where="closed_at IS NOT NULL"),
)
"""One notice for each subject, kind and step on a channel: a replay or a race writes no second one."""

notice_marks = Table(
    "notice_marks",
    metadata,
    Column("id", String(80), primary_key=True),
    moment("until"),
    Column("last_id", String(40), nullable=False),
)
