"""Up to which row old evidence was emptied, and its space back sooner."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "retention_marks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_marks")),
    )
    # Each row is emptied once: its space is free for others after few rows, not after a fifth of the table.
    op.execute("ALTER TABLE evidence SET (autovacuum_vacuum_scale_factor = 0.02)")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE evidence RESET (autovacuum_vacuum_scale_factor)")
    op.drop_table("retention_marks")
