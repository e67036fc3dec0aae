"""Indexes of judging, on tables that may be large by then."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0012_indexes"
down_revision = "0012"


def upgrade() -> None:
    """Apply."""
    online.index("ix_payment_attempts_found", "payment_attempts", ["closed_at"], where="found")
    online.index("ix_subscriptions_live", "subscriptions", ["customer", "plan_id"], where="status <> 'canceled'")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_subscriptions_live", table_name="subscriptions")
    op.drop_index("ix_payment_attempts_found", table_name="payment_attempts")
