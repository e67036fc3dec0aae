"""What Paymentwall's pingbacks told of each payment, and which product a key was bought as."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"


def upgrade() -> None:
    """Apply."""
    op.add_column("billing_keys", sa.Column("goodsid", sa.Text(), nullable=True))
    op.create_table(
        "pingback_payments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ref", sa.String(255), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("goodsid", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_key", sa.Boolean(), nullable=False),
        sa.Column("seen", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("waiting", sa.ARRAY(sa.Text()), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('declined', 'delivered', 'held', 'reversed', 'undecided', 'voided')",
            name=op.f("ck_pingback_payments_verdict_known"),
        ),
        sa.CheckConstraint("waiting <@ seen", name=op.f("ck_pingback_payments_waiting_was_seen")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pingback_payments")),
        sa.UniqueConstraint("ref", name=op.f("uq_pingback_payments_ref")),
    )
    op.create_index("ix_pingback_payments_uid", "pingback_payments", ["uid", "id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_pingback_payments_uid", table_name="pingback_payments")
    op.drop_table("pingback_payments")
    op.drop_column("billing_keys", "goodsid")
