"""Check the old rows, and index single payments, while others write."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0016_indexes"
down_revision = "0016"

SINGLE = "subscription_id IS NULL"
CHECKED = {
    "plans": ("parts_within_amount",),
    "invoices": ("parts_within_amount", "of_period_or_single"),
    "merchant_uids": ("order_number",),
}


def upgrade() -> None:
    """Apply."""
    for table, constraints in CHECKED.items():
        for constraint in constraints:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_{constraint}")
    online.index("ix_invoices_single", "invoices", ["created_at", "id"], where=SINGLE)
    online.index("ix_invoices_customer", "invoices", ["customer"], where="customer IS NOT NULL")
    online.index("ix_invoices_single_key", "invoices", ["billing_key_id"], where=SINGLE)


def downgrade() -> None:
    """Take back."""
    for index in ("ix_invoices_single", "ix_invoices_customer", "ix_invoices_single_key"):
        op.drop_index(index, table_name="invoices")
