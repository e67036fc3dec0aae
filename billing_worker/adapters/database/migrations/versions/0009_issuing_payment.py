"""The payment that issued a key: what it was, whose e-mail it carried, and what it pays."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007_indexes"

CAUSES = "cause IN ('breach', 'budget', 'environment', 'issue', 'person')"
CAUSES_BEFORE = "cause IN ('breach', 'budget', 'environment', 'person')"
ALPHANUMERIC = "merchant_uid ~ '^[A-Za-z0-9]{1,40}$'"


def columns() -> tuple[sa.Column[Any], ...]:
    """What is added to `billing_keys`."""
    return (
        sa.Column("issue_imp_uid", sa.String(length=64), nullable=True),
        sa.Column("issue_merchant_uid", sa.Text(), nullable=True),
        sa.Column("issue_amount", sa.BigInteger(), nullable=True),
        sa.Column("issue_currency", sa.String(length=3), nullable=True),
        sa.Column("issue_paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issue_buyer_email", sa.String(length=64), nullable=True),
        sa.Column("issue_evidence_id", sa.BigInteger(), nullable=True),
        sa.Column("issue_claim", sa.Text(), server_default="none", nullable=False),
        sa.Column("issue_for", sa.String(length=40), nullable=True),
    )


RULES = (
    ("issue_claim_known", "issue_claim IN ('chosen', 'counted', 'none', 'open')"),
    (
        "issue_is_whole",
        "num_nulls(issue_imp_uid, issue_merchant_uid, issue_amount, issue_currency, issue_evidence_id) IN (0, 5)",
    ),
    ("issue_claim_has_owner", "(issue_claim IN ('chosen', 'counted')) = (issue_for IS NOT NULL)"),
    (
        "active_as_issued",
        (
            "pg_provider <> 'paymentwall' OR status <> 'active'"
            " OR (issue_imp_uid IS NOT NULL AND coalesce(buyer_email = issue_buyer_email, false))"
        ),
    ),
)


def upgrade() -> None:
    """Apply. Paymentwall keys in use are confirmed anew, within minutes: now their issuing payment is read as well."""
    for column in columns():
        op.add_column("billing_keys", column)
    op.create_unique_constraint(op.f("uq_billing_keys_issue_imp_uid"), "billing_keys", ["issue_imp_uid"])
    op.create_foreign_key(
        op.f("fk_billing_keys_issue_evidence_id"), "billing_keys", "evidence", ["issue_evidence_id"], ["id"]
    )
    op.execute("UPDATE billing_keys SET issue_claim = 'open' WHERE pg_provider = 'paymentwall' AND status = 'pending'")
    # From active to pending is no step that a program may take; a migration may.
    op.execute("ALTER TABLE billing_keys DISABLE TRIGGER legal_transitions")
    op.execute(
        "UPDATE billing_keys SET status = 'pending', next_look_at = now(), looks = 0"
        " WHERE pg_provider = 'paymentwall' AND status = 'active'"
    )
    op.execute("ALTER TABLE billing_keys ENABLE TRIGGER legal_transitions")
    for name, rule in RULES:
        op.create_check_constraint(op.f(f"ck_billing_keys_{name}"), "billing_keys", rule)
    _replace("merchant_uids", "alphanumeric", f"generation = 0 OR {ALPHANUMERIC}")
    _replace("stops", "cause_known", CAUSES)


def downgrade() -> None:
    """Take back."""
    _replace("stops", "cause_known", CAUSES_BEFORE)
    _replace("merchant_uids", "alphanumeric", ALPHANUMERIC)
    for name, _ in reversed(RULES):
        op.drop_constraint(op.f(f"ck_billing_keys_{name}"), "billing_keys")
    op.drop_constraint(op.f("fk_billing_keys_issue_evidence_id"), "billing_keys", type_="foreignkey")
    op.drop_constraint(op.f("uq_billing_keys_issue_imp_uid"), "billing_keys")
    for column in reversed(columns()):
        op.drop_column("billing_keys", column.name)


def _replace(table: str, name: str, rule: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)
