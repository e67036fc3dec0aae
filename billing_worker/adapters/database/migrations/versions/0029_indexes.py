"""Index closed alerts by their end, to delete old ones, while others write."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0029_indexes"
down_revision = "0029"


def upgrade() -> None:
    """Apply."""
    online.index("ix_alerts_forgotten", "alerts", ["closed_at"], where="closed_at IS NOT NULL")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_alerts_forgotten", table_name="alerts")
