"""Who asked for what: kept answers, tokens and actions; a merchant's own ids, and pairs of text."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0009"

LABELED = ("plans", "billing_keys", "subscriptions")
SCOPES = "scope IN ('money', 'read', 'write')"


def upgrade() -> None:
    """Apply."""
    for table in LABELED:
        op.add_column(table, sa.Column("external_id", sa.String(120), nullable=True))
        op.add_column(table, sa.Column("metadata", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")))
        op.create_unique_constraint(op.f(f"uq_{table}_external_id"), table, ["external_id"])
    op.add_column("subscriptions", sa.Column("allow_duplicate", sa.Boolean(), nullable=False, server_default="false"))
    op.alter_column("refunds", "request_key", new_column_name="idempotency_key", type_=sa.String(255))
    op.execute(
        "ALTER TABLE refunds RENAME CONSTRAINT uq_refunds_attempt_id_request_key TO uq_refunds_attempt_id_idempotency_key"
    )
    _new_tables()


def _new_tables() -> None:
    op.create_table(
        "kept_answers",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status BETWEEN 200 AND 499", name=op.f("ck_kept_answers_status_is_kept")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_kept_answers")),
    )
    op.create_index("ix_kept_answers_created_at", "kept_answers", ["created_at"])
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.CheckConstraint(SCOPES, name=op.f("ck_api_tokens_scope_known")),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revoked_by IS NULL)", name=op.f("ck_api_tokens_revoked_by_somebody")
        ),
        sa.CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name=op.f("ck_api_tokens_digest_only")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
    )
    op.create_index(
        "uq_api_tokens_one_in_force",
        "api_tokens",
        ["name"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "actions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actions")),
    )
    op.create_index("ix_actions_subject_id", "actions", ["subject_id", "id"])
    op.create_index("ix_actions_actor", "actions", ["actor", "id"])


def downgrade() -> None:
    """Take back."""
    for table in ("actions", "api_tokens", "kept_answers"):
        op.drop_table(table)
    op.execute(
        "ALTER TABLE refunds RENAME CONSTRAINT uq_refunds_attempt_id_idempotency_key TO uq_refunds_attempt_id_request_key"
    )
    op.execute("UPDATE refunds SET idempotency_key = left(idempotency_key, 64)")
    op.alter_column("refunds", "idempotency_key", new_column_name="request_key", type_=sa.String(64))
    op.drop_column("subscriptions", "allow_duplicate")
    for table in LABELED:
        op.drop_constraint(op.f(f"uq_{table}_external_id"), table)
        op.drop_column(table, "metadata")
        op.drop_column(table, "external_id")
