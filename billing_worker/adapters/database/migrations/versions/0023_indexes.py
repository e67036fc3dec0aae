"""Check the old invoices, and index those to win back, while others write."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0023_indexes"
down_revision = "0023"


def upgrade() -> None:
    """Apply."""
    for constraint in (
        "fk_invoices_dunning_policy",
        "ck_invoices_only_unpaid_is_won_back",
        "ck_invoices_of_period_or_single",
    ):
        op.execute(f"ALTER TABLE invoices VALIDATE CONSTRAINT {constraint}")
    online.index("ix_invoices_win_back", "invoices", ["win_back_at"], where="win_back_at IS NOT NULL")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_invoices_win_back", table_name="invoices")
