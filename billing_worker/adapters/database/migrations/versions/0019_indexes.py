"""Check the old rows, and index subscriptions whose next period is to be registered, while others write."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0019_indexes"
down_revision = "0019"

UNSCHEDULED = (
    "collection = 'portone_schedule' AND scheduled_index < next_period_index AND NOT cancel_at_period_end"
    " AND held_since IS NULL AND status IN ('active', 'past_due', 'pending', 'trialing')"
)


def upgrade() -> None:
    """Apply."""
    for table in ("plans", "subscriptions"):
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_collection_known")
    online.index("ix_subscriptions_unscheduled", "subscriptions", ["next_period_start"], where=UNSCHEDULED)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_subscriptions_unscheduled", table_name="subscriptions")
