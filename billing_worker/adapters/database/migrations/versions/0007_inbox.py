"""The inbox: foreign notifications, when the gateway was read and what it said, how long an entry waits and is kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006_indexes"

TIMES = ("not_before", "read_at", "last_received_at", "waiting_since", "closed_at")


def upgrade() -> None:
    """Apply."""
    op.add_column("inbox", sa.Column("is_foreign", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("inbox", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    for name in TIMES:
        op.add_column("inbox", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("inbox", sa.Column("subject_id", sa.Text(), nullable=True))
    op.add_column("inbox", sa.Column("answer", JSONB(), nullable=True))
    op.drop_index("ix_inbox_waiting", table_name="inbox")


def downgrade() -> None:
    """Take back."""
    op.create_index("ix_inbox_waiting", "inbox", ["next_try_at"], postgresql_where=sa.text("status = 'received'"))
    for name in ("answer", "subject_id", *TIMES, "failures", "is_foreign"):
        op.drop_column("inbox", name)
