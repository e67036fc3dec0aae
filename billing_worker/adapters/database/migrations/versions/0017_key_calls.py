"""Calls that store or delete billing keys at the gateway."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016_indexes"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "key_calls",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_step_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("requester", sa.Text(), nullable=True),
        sa.Column("replaces", sa.String(length=40), nullable=True),
        sa.Column("deletes_replaced", sa.Boolean(), nullable=False),
        sa.Column("sent", sa.Boolean(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("absent_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("evidence_id", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('delete', 'issue')", name=op.f("ck_key_calls_kind_known")),
        sa.CheckConstraint(
            "status IN ('absent', 'done', 'open', 'refused', 'taken')", name=op.f("ck_key_calls_status_known")
        ),
        sa.CheckConstraint("(status = 'open') = (closed_at IS NULL)", name=op.f("ck_key_calls_closed_has_time")),
        sa.CheckConstraint(
            "(status = 'open') = (next_step_at IS NOT NULL)", name=op.f("ck_key_calls_open_has_next_step")
        ),
        sa.CheckConstraint(
            "kind = 'issue' OR (replaces IS NULL AND status NOT IN ('absent', 'taken'))",
            name=op.f("ck_key_calls_only_an_issue"),
        ),
        sa.CheckConstraint("kind = 'issue' OR reason IS NOT NULL", name=op.f("ck_key_calls_deleted_for_a_reason")),
        sa.ForeignKeyConstraint(["key_id"], ["billing_keys.id"], name=op.f("fk_key_calls_key_id")),
        sa.ForeignKeyConstraint(["replaces"], ["billing_keys.id"], name=op.f("fk_key_calls_replaces")),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name=op.f("fk_key_calls_evidence_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_calls")),
    )
    op.create_index(op.f("ix_key_calls_key_id"), "key_calls", ["key_id"])
    op.create_index(
        "uq_key_calls_one_open", "key_calls", ["key_id"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index(
        "ix_key_calls_steps", "key_calls", ["next_step_at"], postgresql_where=sa.text("next_step_at IS NOT NULL")
    )


def downgrade() -> None:
    """Take it back. A call that is still open is forgotten: its key stays pending, or out of use."""
    op.drop_table("key_calls")
