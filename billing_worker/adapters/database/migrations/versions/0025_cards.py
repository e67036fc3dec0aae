"""Fallback keys with the customer's consent, and the month in which a card expires."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

MONTH = "card_expires ~ '^2[0-9]{3}-(0[1-9]|1[0-2])$'"


def upgrade() -> None:
    """Apply. No card's month is known yet: PortOne does not tell it."""
    op.add_column("billing_keys", sa.Column("card_expires", sa.String(length=7), nullable=True))
    op.add_column("billing_keys", sa.Column("expiry_look_at", sa.DateTime(timezone=True), nullable=True))
    for name, rule in (
        ("card_expires_month", MONTH),
        ("only_known_month_is_looked_at", "card_expires IS NOT NULL OR expiry_look_at IS NULL"),
    ):
        op.create_check_constraint(op.f(f"ck_billing_keys_{name}"), "billing_keys", rule, postgresql_not_valid=True)
    op.create_table(
        "fallback_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("subscription_id", sa.String(length=40), nullable=False),
        sa.Column("billing_key_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ended_because IN ('main', 'removed')", name=op.f("ck_fallback_keys_ended_because_known")),
        sa.CheckConstraint("position > 0", name=op.f("ck_fallback_keys_position_positive")),
        sa.CheckConstraint("length(consent) BETWEEN 1 AND 500", name=op.f("ck_fallback_keys_consent_given")),
        sa.CheckConstraint(
            "(ended_because IS NULL) = (ended_at IS NULL)", name=op.f("ck_fallback_keys_ended_has_time")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_fallback_keys_subscription_id")
        ),
        sa.ForeignKeyConstraint(["billing_key_id"], ["billing_keys.id"], name=op.f("fk_fallback_keys_billing_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fallback_keys")),
        sa.UniqueConstraint("subscription_id", "position", name=op.f("uq_fallback_keys_subscription_id_position")),
    )
    op.create_index(
        "uq_fallback_keys_in_use",
        "fallback_keys",
        ["subscription_id", "billing_key_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_fallback_keys_key", "fallback_keys", ["billing_key_id"], postgresql_where=sa.text("ended_at IS NULL")
    )


def downgrade() -> None:
    """Take it back. Raises where a fallback key is in use: an older release would not charge it."""
    left = op.get_bind().execute(sa.text("SELECT count(*) FROM fallback_keys WHERE ended_at IS NULL")).scalar_one()
    if left:
        raise RuntimeError(f"{left} fallback keys are in use: remove them first")
    op.drop_table("fallback_keys")
    for name in ("card_expires_month", "only_known_month_is_looked_at"):
        op.drop_constraint(op.f(f"ck_billing_keys_{name}"), "billing_keys")
    op.drop_column("billing_keys", "expiry_look_at")
    op.drop_column("billing_keys", "card_expires")
