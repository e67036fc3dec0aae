"""The card of a key, what a pending key waits for, and the visits to the card page."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

WAITS = (
    "'first_payment', 'has_key', 'no_key', 'no_payment', 'not_paid', 'not_stored', 'other_payment', 'other_pg', 'unread',"
    " 'unreadable'"
)

RULES = (
    ("card_kind_known", "card_kind IN ('check', 'credit')"),
    ("waits_for_known", f"waits_for IN ({WAITS})"),
    ("only_pending_waits", "status = 'pending' OR waits_for IS NULL"),
)


def columns() -> tuple[sa.Column[Any], ...]:
    """The new columns of `billing_keys`."""
    return (
        sa.Column("card_issuer", sa.String(length=40), nullable=True),
        sa.Column("card_code", sa.String(length=16), nullable=True),
        sa.Column("card_last_digits", sa.String(length=4), nullable=True),
        sa.Column("card_kind", sa.Text(), nullable=True),
        sa.Column("imp_uid", sa.String(length=64), nullable=True),
        sa.Column("waits_for", sa.Text(), nullable=True),
    )


def upgrade() -> None:
    """Apply. An active key stays active: an earlier release registered it, and it may have paid since."""
    for column in columns():
        op.add_column("billing_keys", column)
    for name, rule in RULES:
        op.create_check_constraint(op.f(f"ck_billing_keys_{name}"), "billing_keys", rule)
    _create_card_sessions()


def _create_card_sessions() -> None:
    known = {"status": "'done', 'expired', 'failed', 'open', 'registered'", "language": "'en', 'ko'"}
    rules = {f"{name}_known": f"{name} IN ({words})" for name, words in known.items()} | {
        "amount_not_negative": "amount >= 0",
        "currency_code": "currency ~ '^[A-Z]{3}$'",
        "registered_has_key": "status NOT IN ('registered', 'done') OR billing_key_id IS NOT NULL",
        "only_waiting_is_looked_at": "status IN ('open', 'registered') OR next_look_at IS NULL",
    }
    op.create_table(
        "card_sessions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer", sa.String(length=120), nullable=False),
        sa.Column("customer_uid", sa.String(length=80), nullable=False),
        sa.Column("merchant_uid", sa.String(length=40), nullable=False),
        sa.Column("pg", sa.String(length=80), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("product", sa.String(length=40), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("buyer_name", sa.String(length=16), nullable=True),
        sa.Column("buyer_email", sa.String(length=64), nullable=True),
        sa.Column("buyer_tel", sa.String(length=16), nullable=True),
        sa.Column("subscription_id", sa.String(length=40), nullable=True),
        sa.Column("return_url", sa.Text(), nullable=True),
        sa.Column("billing_key_id", sa.String(length=40), nullable=True),
        sa.Column("imp_uid", sa.String(length=64), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_card_sessions_{name}")) for name, rule in rules.items()),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_card_sessions_subscription_id")
        ),
        sa.ForeignKeyConstraint(["billing_key_id"], ["billing_keys.id"], name=op.f("fk_card_sessions_billing_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_sessions")),
        sa.UniqueConstraint("billing_key_id", name=op.f("uq_card_sessions_billing_key_id")),
        sa.UniqueConstraint("customer_uid", name=op.f("uq_card_sessions_customer_uid")),
        sa.UniqueConstraint("merchant_uid", name=op.f("uq_card_sessions_merchant_uid")),
    )
    looked_at = sa.text("next_look_at IS NOT NULL")
    op.create_index("ix_card_sessions_looks", "card_sessions", ["next_look_at"], postgresql_where=looked_at)
    op.create_index("ix_card_sessions_subscription_id", "card_sessions", ["subscription_id"])


def downgrade() -> None:
    """Take it back. The earlier release reads pending keys of Paymentwall only, so others become active as there."""
    op.drop_table("card_sessions")
    for name, _ in reversed(RULES):
        op.drop_constraint(op.f(f"ck_billing_keys_{name}"), "billing_keys", type_="check")
    op.execute(
        "UPDATE billing_keys SET status = 'active', activated_at = now(), next_look_at = NULL"
        " WHERE status = 'pending' AND pg_provider <> 'paymentwall'"
    )
    for column in reversed(columns()):
        op.drop_column("billing_keys", column.name)
