"""Check the old attempts, and index the declines that no rule understands, while others write."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0022_indexes"
down_revision = "0022"


def upgrade() -> None:
    """Apply."""
    for constraint in ("decline_category_known", "decline_advice_known"):
        op.execute(f"ALTER TABLE payment_attempts VALIDATE CONSTRAINT ck_payment_attempts_{constraint}")
    unknown = "decline_category = 'unknown'"
    online.index("ix_payment_attempts_unknown", "payment_attempts", ["closed_at"], where=unknown)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_payment_attempts_unknown", table_name="payment_attempts")
