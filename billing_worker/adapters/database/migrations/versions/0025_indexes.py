"""Check the old keys, and index those to be looked at before they expire, while others write."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0025_indexes"
down_revision = "0025"


def upgrade() -> None:
    """Apply."""
    for constraint in ("card_expires_month", "only_known_month_is_looked_at"):
        op.execute(f"ALTER TABLE billing_keys VALIDATE CONSTRAINT ck_billing_keys_{constraint}")
    online.index("ix_billing_keys_expiry_looks", "billing_keys", ["expiry_look_at"], where="expiry_look_at IS NOT NULL")
    online.index("ix_billing_keys_card_expires", "billing_keys", ["card_expires"], where="card_expires IS NOT NULL")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_billing_keys_card_expires", table_name="billing_keys")
    op.drop_index("ix_billing_keys_expiry_looks", table_name="billing_keys")
