"""Indexes by which lists are read, on tables that may be large by then."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0011_indexes"
down_revision = "0011"

LISTED = ("plans", "billing_keys", "subscriptions", "refunds")


def upgrade() -> None:
    """Apply."""
    for table in LISTED:
        online.index(f"ix_{table}_created_at", table, ["created_at", "id"])
    online.index("ix_invoices_listed", "invoices", ["created_at", "id"])
    online.index("ix_subscriptions_plan_id", "subscriptions", ["plan_id"])
    op.execute("DROP INDEX IF EXISTS ix_invoices_created_at")  # the new one begins with the same column


def downgrade() -> None:
    """Take back."""
    op.create_index("ix_invoices_created_at", "invoices", ["created_at"])
    op.drop_index("ix_subscriptions_plan_id", table_name="subscriptions")
    op.drop_index("ix_invoices_listed", table_name="invoices")
    for table in LISTED:
        op.drop_index(f"ix_{table}_created_at", table_name=table)
