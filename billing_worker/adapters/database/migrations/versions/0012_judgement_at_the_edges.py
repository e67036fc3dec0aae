"""What is doubted, what was taken back, what nobody asked for, and whom a customer's subscriptions are told apart by."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011_indexes"


def upgrade() -> None:
    """Apply. Alerts about payments that were missing are looked into again; those whose cause is gone are closed."""
    op.create_table(
        "doubts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_doubts")),
    )
    op.execute(
        "INSERT INTO doubts SELECT subject_id, now(), now() FROM alerts"
        " WHERE kind = 'phantom_payment' AND closed_at IS NULL"
    )
    op.add_column("invoices", sa.Column("taken_back", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    """Take it back: what was doubted is forgotten."""
    op.drop_column("invoices", "taken_back")
    op.drop_table("doubts")
