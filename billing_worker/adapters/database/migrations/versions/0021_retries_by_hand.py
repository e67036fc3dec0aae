"""A charge by hand spends nothing of the dunning policy."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

RULES = (
    ("only_open_is_by_hand", "status = 'open' OR NOT by_hand"),
    ("only_by_hand_resumes", "by_hand OR resumes_at IS NULL"),
)


def upgrade() -> None:
    """Apply. A retry that waits already counts as the policy's own, as it did before."""
    op.add_column("invoices", sa.Column("by_hand", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("invoices", sa.Column("resumes_at", sa.DateTime(timezone=True), nullable=True))
    for name, rule in RULES:
        op.create_check_constraint(op.f(f"ck_invoices_{name}"), "invoices", rule, postgresql_not_valid=True)


def downgrade() -> None:
    """Take it back."""
    for name, _ in RULES:
        op.drop_constraint(op.f(f"ck_invoices_{name}"), "invoices")
    op.drop_column("invoices", "resumes_at")
    op.drop_column("invoices", "by_hand")
