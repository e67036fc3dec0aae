"""Movements of money: payment attempts and refunds, the evidence for both, and doubts."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from billing_worker.adapters.database.tables.schema import Named, ident, metadata, moment, money, one_of, partial_index
from billing_worker.domain.declines.reasons import Advice, Category, DeclineKind
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.refund import RefundCause, RefundStatus
from billing_worker.domain.try_kind import TryKind

evidence = Table(
    "evidence",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("attempt_id", String(40)),
    Column("source", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("http_status", SmallInteger),
    Column("body", Text, nullable=False),
    moment("received_at"),
)


retention_marks = Table(
    "retention_marks",
    metadata,
    ident(),
    Column("last_id", BigInteger, nullable=False),
)
"""Up to which row of a table old records were emptied."""


payment_attempts = Table(
    "payment_attempts",
    metadata,
    ident(),
    Column("invoice_id", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("merchant_uid", String(40), nullable=False),
    Column("billing_key_id", ForeignKey("billing_keys.id"), nullable=False),
    *money(),
    Column("status", Named(AttemptStatus), nullable=False),
    Column("fence", BigInteger, nullable=False),
    moment("started_at"),
    moment("lease_until"),
    moment("next_look_at", required=False),
    Column("looks", Integer, nullable=False),
    moment("absent_since", required=False),
    Column("refused", Boolean, nullable=False),
    Column("imp_uid", String(64), unique=True),
    Column("decline_kind", Named(DeclineKind)),
    Column("decline_category", Named(Category)),
    Column("decline_advice", Named(Advice)),
    Column("reason", Text),
    Column("surplus", Boolean, nullable=False),
    Column("found", Boolean, nullable=False, server_default=text("false")),
    Column("evidence_id", ForeignKey("evidence.id")),
    moment("closed_at", required=False),
    Column("refunded", BigInteger, nullable=False, server_default="0"),
    Column("refund_evidence_id", ForeignKey("evidence.id")),
    Column("scheduled", Boolean, nullable=False, server_default=text("false")),
    Column("try_kind", Named(TryKind)),
    moment("due_at", required=False),
    Column("took_ms", Integer),
    ForeignKeyConstraint(["merchant_uid", "invoice_id"], ["merchant_uids.merchant_uid", "merchant_uids.invoice_id"]),
    UniqueConstraint("invoice_id", "number"),
    one_of("status", AttemptStatus),
    one_of("decline_category", Category),
    one_of("decline_advice", Advice),
    one_of("try_kind", TryKind),
    CheckConstraint(
        "status <> 'approved' OR (imp_uid IS NOT NULL AND evidence_id IS NOT NULL)", name="approved_has_evidence"
    ),
    CheckConstraint("refunded BETWEEN 0 AND amount", name="refunded_within_amount"),
    CheckConstraint("refunded = 0 OR status = 'approved'", name="refunded_was_approved"),
    CheckConstraint("refunded = 0 OR refund_evidence_id IS NOT NULL", name="refunded_has_evidence"),
    CheckConstraint("(status IN ('in_flight', 'unknown')) = (closed_at IS NULL)", name="closed_has_time"),
    CheckConstraint("(status IN ('in_flight', 'unknown')) = (next_look_at IS NOT NULL)", name="open_is_looked_at"),
    partial_index(
        "uq_payment_attempts_one_open", "invoice_id", where="status IN ('in_flight', 'unknown')", unique=True
    ),
    partial_index(
        "uq_payment_attempts_one_payment", "invoice_id", where="status = 'approved' AND NOT surplus", unique=True
    ),
    partial_index("ix_payment_attempts_looks", "next_look_at", where="next_look_at IS NOT NULL"),
    partial_index("ix_payment_attempts_merchant_uid", "merchant_uid", where="status = 'in_flight'"),
    partial_index("ix_payment_attempts_seen", "closed_at", where="imp_uid IS NOT NULL"),
    Index("ix_payment_attempts_started_at", "started_at"),
    partial_index("ix_payment_attempts_found", "closed_at", where="found"),
    partial_index("ix_payment_attempts_unknown", "closed_at", where="decline_category = 'unknown'"),
)


doubts = Table(
    "doubts",
    metadata,
    ident(),
    moment("since"),
    moment("looked_at"),
)
"""Payments in our books that the gateway shows differently or not at all, by the id of the attempt or key; few rows."""


refunds = Table(
    "refunds",
    metadata,
    ident(),
    Column("attempt_id", ForeignKey("payment_attempts.id"), nullable=False, index=True),
    *money(),
    Column("balance", BigInteger, nullable=False),
    Column("cause", Named(RefundCause), nullable=False),
    Column("reason", Text, nullable=False),
    moment("created_at"),
    moment("next_step_at", required=False),
    Column("status", Named(RefundStatus), nullable=False),
    Column("idempotency_key", String(255)),
    Column("fence", BigInteger, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("looks", Integer, nullable=False),
    moment("lease_until", required=False),
    moment("absent_since", required=False),
    Column("accepted", Boolean, nullable=False),
    Column("refused", Boolean, nullable=False),
    Column("note", Text),
    Column("evidence_id", ForeignKey("evidence.id")),
    moment("closed_at", required=False),
    one_of("status", RefundStatus),
    one_of("cause", RefundCause),
    UniqueConstraint("attempt_id", "idempotency_key"),
    CheckConstraint("amount <= balance", name="amount_within_balance"),
    CheckConstraint("status <> 'succeeded' OR evidence_id IS NOT NULL", name="succeeded_has_evidence"),
    CheckConstraint("(status IN ('pending', 'in_flight', 'unknown')) = (closed_at IS NULL)", name="closed_has_time"),
    CheckConstraint(
        "(status IN ('pending', 'in_flight', 'unknown')) = (next_step_at IS NOT NULL)", name="open_has_next_step"
    ),
    partial_index("uq_refunds_one_open", "attempt_id", where="closed_at IS NULL", unique=True),
    partial_index("ix_refunds_steps", "next_step_at", where="next_step_at IS NOT NULL"),
    Index("ix_refunds_created_at", "created_at", "id"),
)
