"""Check the old invoices, while others write."""

from alembic import op

revision = "0021_indexes"
down_revision = "0021"


def upgrade() -> None:
    """Apply."""
    for constraint in ("only_open_is_by_hand", "only_by_hand_resumes"):
        op.execute(f"ALTER TABLE invoices VALIDATE CONSTRAINT ck_invoices_{constraint}")


def downgrade() -> None:
    """Take back: nothing."""
