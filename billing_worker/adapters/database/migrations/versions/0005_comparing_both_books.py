"""Comparisons of both books by spans of time; alerts say what to do, and on what evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004_indexes"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "comparisons",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("payments", sa.Integer(), nullable=False),
        sa.Column("others", sa.Integer(), nullable=False),
        sa.Column("booked", sa.Integer(), nullable=False),
        sa.Column("alerted", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('done', 'open', 'running')", name=op.f("ck_comparisons_status_known")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_comparisons_span_runs_forward")),
        sa.CheckConstraint("(status = 'done') = (finished_at IS NOT NULL)", name=op.f("ck_comparisons_done_has_time")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
    )
    op.create_index("ix_comparisons_ends_at", "comparisons", ["ends_at"])
    op.create_index(
        "ix_comparisons_tries", "comparisons", ["next_try_at"], postgresql_where=sa.text("status <> 'done'")
    )
    op.add_column("alerts", sa.Column("proposal", sa.Text(), nullable=True))
    op.add_column("alerts", sa.Column("evidence_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_alerts_evidence_id"), "alerts", "evidence", ["evidence_id"], ["id"])
    op.create_index("ix_alerts_subject_id", "alerts", ["subject_id", "kind"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_alerts_subject_id", table_name="alerts")
    op.drop_constraint(op.f("fk_alerts_evidence_id"), "alerts", type_="foreignkey")
    op.drop_column("alerts", "evidence_id")
    op.drop_column("alerts", "proposal")
    op.drop_index("ix_comparisons_tries", table_name="comparisons", postgresql_where=sa.text("status <> 'done'"))
    op.drop_index("ix_comparisons_ends_at", table_name="comparisons")
    op.drop_table("comparisons")
