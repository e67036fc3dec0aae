"""What the channels to the operator are told of alerts, and how often."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0025_indexes"


def upgrade() -> None:
    """Apply. The alerts that are open already are told by no channel: an operator knows them, or reads the list."""
    op.create_table(
        "alert_changes",
        sa.Column("number", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("channel IN ('chat', 'mail')", name=op.f("ck_alert_changes_channel_known")),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_changes_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_alert_changes")),
    )
    op.create_index("ix_alert_changes_alert_id", "alert_changes", ["alert_id"])
    waiting, told = sa.text("told_at IS NULL"), sa.text("told_at IS NOT NULL")
    op.create_index("ix_alert_changes_waiting", "alert_changes", ["channel", "number"], postgresql_where=waiting)
    op.create_index("ix_alert_changes_told", "alert_changes", ["told_at"], postgresql_where=told)
    op.create_table(
        "alert_paces",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("wait", sa.Interval(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sending_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_paces")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("alert_paces")
    op.drop_table("alert_changes")
