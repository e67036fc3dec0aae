"""What a decline is about, what helps, and the declines that spent no step of dunning."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021_indexes"

CATEGORIES = (
    "'balance', 'communication', 'duplicate', 'expired', 'fraud', 'issuer_refused', 'key_gone', 'limit',"
    " 'lost_or_stolen', 'maintenance', 'merchant_configuration', 'merchant_contract', 'stopped_by_holder', 'unknown',"
    " 'wrong_card_data'"
)
ADVICE = "'another_card', 'ask_gateway', 'better_day', 'fix_configuration', 'retry_soon'"


def upgrade() -> None:
    """Apply. Declines before this release have no category: their texts are not read again."""
    op.add_column("payment_attempts", sa.Column("decline_category", sa.Text(), nullable=True))
    op.add_column("payment_attempts", sa.Column("decline_advice", sa.Text(), nullable=True))
    op.add_column("invoices", sa.Column("spared", sa.Integer(), server_default=sa.text("0"), nullable=False))
    for name, values in (("decline_category", CATEGORIES), ("decline_advice", ADVICE)):
        rule, known = f"{name} IN ({values})", op.f(f"ck_payment_attempts_{name}_known")
        op.create_check_constraint(known, "payment_attempts", rule, postgresql_not_valid=True)


def downgrade() -> None:
    """Take it back."""
    for name in ("decline_category", "decline_advice"):
        op.drop_constraint(op.f(f"ck_payment_attempts_{name}_known"), "payment_attempts")
        op.drop_column("payment_attempts", name)
    op.drop_column("invoices", "spared")
