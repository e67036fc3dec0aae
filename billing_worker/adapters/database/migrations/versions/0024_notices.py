"""What customers hear: notices, how far the coming charges were looked at, and the switches of a plan."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0024"
down_revision = "0023_indexes"

KINDS = "kind IN ('card_expiring', 'failed', 'given_up', 'last_warning', 'recovered', 'upcoming')"
STATUSES = "status IN ('failed', 'pending', 'sent', 'superseded')"


def upgrade() -> None:
    """Apply."""
    op.add_column("plans", sa.Column("notices", ARRAY(sa.Text()), nullable=True))
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("customer", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invoice_id", sa.String(length=40), nullable=True),
        sa.Column("subscription_id", sa.String(length=40), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("first_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sending_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("may_have_arrived", sa.Boolean(), nullable=False),
        sa.Column("card_session_id", sa.String(length=40), nullable=True),
        sa.CheckConstraint(KINDS, name=op.f("ck_notices_kind_known")),
        sa.CheckConstraint("channel IN ('mail', 'webhook')", name=op.f("ck_notices_channel_known")),
        sa.CheckConstraint(STATUSES, name=op.f("ck_notices_status_known")),
        sa.CheckConstraint("subject_id = coalesce(invoice_id, subscription_id)", name=op.f("ck_notices_has_subject")),
        sa.CheckConstraint("(status = 'pending') = (closed_at IS NULL)", name=op.f("ck_notices_closed_has_time")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_notices_invoice_id")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscriptions.id"], name=op.f("fk_notices_subscription_id")),
        sa.ForeignKeyConstraint(["card_session_id"], ["card_sessions.id"], name=op.f("fk_notices_card_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("number", name=op.f("uq_notices_number")),
    )
    op.create_index("uq_notices_step", "notices", ["subject_id", "kind", "step", "channel"], unique=True)
    op.create_index("ix_notices_subscription_id", "notices", ["subscription_id"])
    op.create_index("ix_notices_customer", "notices", ["customer", "number"])
    for name, columns, where in (
        ("waiting", ["channel", "next_try_at"], "status = 'pending'"),
        ("leased", ["channel", "lease_until"], "lease_until IS NOT NULL"),
        ("forgotten", ["closed_at"], "closed_at IS NOT NULL"),
    ):
        op.create_index(f"ix_notices_{name}", "notices", columns, postgresql_where=sa.text(where))
    op.create_table(
        "notice_marks",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_id", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_marks")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("notice_marks")
    op.drop_table("notices")
    op.drop_column("plans", "notices")
