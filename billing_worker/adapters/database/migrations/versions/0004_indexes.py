"""Indexes of 0004, on tables that are large by then."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0004_indexes"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
    online.index("ix_payment_attempts_started_at", "payment_attempts", ["started_at"])
    online.index("ix_invoices_created_at", "invoices", ["created_at"])
    online.index("ix_invoices_paid", "invoices", ["closed_at"], where="status = 'paid'")
    online.index("ix_subscriptions_customer", "subscriptions", ["customer"])


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_subscriptions_customer"), table_name="subscriptions")
    op.drop_index("ix_invoices_paid", table_name="invoices")
    op.drop_index("ix_invoices_created_at", table_name="invoices")
    op.drop_index("ix_payment_attempts_started_at", table_name="payment_attempts")
