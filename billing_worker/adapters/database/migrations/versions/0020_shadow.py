"""Shadow mode: what would have been charged, and the days that were compared with the gateway's books."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019_indexes"

RESULTS = "result IN ('agrees', 'declined', 'differs', 'missing', 'unexpected')"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "shadow_charges",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("subscription_id", sa.String(length=40), nullable=False),
        sa.Column("period_index", sa.Integer(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("imp_uid", sa.String(length=64), nullable=True),
        sa.Column("taken", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_shadow_charges_amount_positive")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_shadow_charges_currency_code")),
        sa.CheckConstraint(RESULTS, name=op.f("ck_shadow_charges_result_known")),
        sa.CheckConstraint(
            "period_index IS NOT NULL OR result = 'unexpected'", name=op.f("ck_shadow_charges_decided_or_unexpected")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_shadow_charges_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_charges")),
        sa.UniqueConstraint("imp_uid", name=op.f("uq_shadow_charges_imp_uid")),
    )
    op.create_index(
        "uq_shadow_charges_period",
        "shadow_charges",
        ["subscription_id", "period_index"],
        unique=True,
        postgresql_where=sa.text("period_index IS NOT NULL"),
    )
    op.create_index("ix_shadow_charges_at", "shadow_charges", ["at", "id"])
    op.create_table(
        "shadow_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_shadow_days")),
    )
    op.create_index("ix_shadow_days_open", "shadow_days", ["day"], postgresql_where=sa.text("compared_at IS NULL"))


def downgrade() -> None:
    """Take it back. Raises where subscriptions are in shadow: an older release would charge them."""
    left = op.get_bind().execute(sa.text("SELECT count(*) FROM subscriptions WHERE collection = 'shadow'")).scalar_one()
    if left:
        raise RuntimeError(f"{left} subscriptions are in shadow: cancel them, or collect them by a worker, first")
    op.drop_table("shadow_days")
    op.drop_table("shadow_charges")
