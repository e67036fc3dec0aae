"""The processes that give signs, the watch of them, and counts of refused notifications."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "processes",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("queues", ARRAY(sa.Text()), nullable=False),
        sa.CheckConstraint("role IN ('beat', 'web', 'worker')", name=op.f("ck_processes_role_known")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_processes")),
    )
    op.create_table(
        "process_watches",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process_watches")),
    )
    op.create_table(
        "refused_notifications",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("count > 0", name=op.f("ck_refused_notifications_count_positive")),
        sa.PrimaryKeyConstraint("hour", "source", "reason", name=op.f("pk_refused_notifications")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("refused_notifications")
    op.drop_table("process_watches")
    op.drop_table("processes")
