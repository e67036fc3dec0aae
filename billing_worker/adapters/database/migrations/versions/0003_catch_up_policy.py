"""Catch-up: a policy a plan, a hold and a person's decision a subscription, and the buckets that pace late work."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MODES = "('ask', 'bill_all', 'forgive', 'latest_only')"
RENEWING = "status IN ('active', 'past_due', 'pending', 'trialing')"


def upgrade() -> None:
    """Apply."""
    op.add_column("plans", sa.Column("catch_up_mode", sa.Text(), nullable=False, server_default="bill_all"))
    op.add_column("plans", sa.Column("catch_up_max_age", sa.Integer(), nullable=False, server_default="90"))
    for column in ("catch_up_mode", "catch_up_max_age"):
        op.alter_column("plans", column, server_default=None)
    op.create_check_constraint(op.f("ck_plans_catch_up_mode_known"), "plans", f"catch_up_mode IN {MODES}")
    op.create_check_constraint(op.f("ck_plans_catch_up_max_age_positive"), "plans", "catch_up_max_age > 0")
    op.add_column("subscriptions", sa.Column("held_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("subscriptions", sa.Column("catch_up_mode", sa.Text(), nullable=True))
    op.add_column("subscriptions", sa.Column("catch_up_until", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_subscriptions_catch_up_mode_known"), "subscriptions", f"catch_up_mode IN {MODES}"
    )
    op.create_check_constraint(
        op.f("ck_subscriptions_catch_up_is_decided"),
        "subscriptions",
        "(catch_up_mode IS NULL) = (catch_up_until IS NULL) AND catch_up_mode <> 'ask'",
    )
    op.create_index(
        "ix_subscriptions_held",
        "subscriptions",
        ["plan_id"],
        postgresql_where=sa.text("held_since IS NOT NULL"),
    )
    op.create_index(
        "ix_subscriptions_leased",
        "subscriptions",
        ["lease_until"],
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.drop_index("ix_subscriptions_renewing", "subscriptions")
    op.create_index(
        "ix_subscriptions_renewing",
        "subscriptions",
        ["next_period_start"],
        postgresql_where=sa.text(f"{RENEWING} AND held_since IS NULL"),
    )
    op.create_table(
        "catch_up_buckets",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("millionths", sa.BigInteger(), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("millionths >= 0", name=op.f("ck_catch_up_buckets_millionths_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catch_up_buckets")),
    )


def downgrade() -> None:
    """Take back. A subscription that is held would be billed as if nobody had been asked."""
    op.drop_table("catch_up_buckets")
    op.drop_index("ix_subscriptions_renewing", "subscriptions")
    op.drop_index("ix_subscriptions_held", "subscriptions")
    op.drop_index("ix_subscriptions_leased", "subscriptions")
    op.create_index(
        "ix_subscriptions_renewing", "subscriptions", ["next_period_start"], postgresql_where=sa.text(RENEWING)
    )
    for column in ("catch_up_until", "catch_up_mode", "held_since"):
        op.drop_column("subscriptions", column)
    for column in ("catch_up_max_age", "catch_up_mode"):
        op.drop_column("plans", column)
