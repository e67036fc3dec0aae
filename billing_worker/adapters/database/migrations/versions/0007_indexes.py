"""Indexes of the inbox, which may be large by then."""

from alembic import op
from sqlalchemy import text

from billing_worker.adapters.database import online

revision = "0007_indexes"
down_revision = "0007"


def upgrade() -> None:
    """Apply."""
    online.index("ix_inbox_waiting", "inbox", ["is_foreign", "next_try_at"], where="status = 'received'")
    online.index("ix_inbox_received_at", "inbox", ["received_at"])
    order_id = text("(payload ->> 'merchant_uid')")
    online.index("ix_inbox_reads", "inbox", [order_id, "read_at"], where="read_at IS NOT NULL")


def downgrade() -> None:
    """Take back."""
    for name in ("reads", "received_at", "waiting"):
        op.drop_index(f"ix_inbox_{name}", table_name="inbox")
