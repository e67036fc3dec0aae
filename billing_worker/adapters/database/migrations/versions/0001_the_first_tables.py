"""The first tables: see adapters/database/tables.py for what each constraint guards."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(
        "uq_alerts_one_open",
        "alerts",
        ["kind", "subject_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "billing_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_uid", sa.String(length=80), nullable=False),
        sa.Column("pg_provider", sa.String(length=40), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("buyer_name", sa.String(length=16), nullable=True),
        sa.Column("buyer_email", sa.String(length=64), nullable=True),
        sa.Column("buyer_tel", sa.String(length=16), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invalid_reason", sa.Text(), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status = 'pending' OR next_look_at IS NULL", name=op.f("ck_billing_keys_only_pending_is_looked_at")
        ),
        sa.CheckConstraint(
            "status IN ('active', 'deleted', 'invalid', 'pending')", name=op.f("ck_billing_keys_status_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_keys")),
        sa.UniqueConstraint("customer_uid", name=op.f("uq_billing_keys_customer_uid")),
    )
    op.create_index(
        "ix_billing_keys_looks",
        "billing_keys",
        ["next_look_at"],
        unique=False,
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("attempt_id", sa.String(length=40), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    op.create_index(op.f("ix_evidence_attempt_id"), "evidence", ["attempt_id"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('applied', 'ignored', 'received')", name=op.f("ck_inbox_status_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("source", "dedupe_key", name=op.f("uq_inbox_source_dedupe_key")),
    )
    op.create_index(
        "ix_inbox_waiting", "inbox", ["next_try_at"], unique=False, postgresql_where=sa.text("status = 'received'")
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("sequence", name=op.f("uq_outbox_sequence")),
    )
    op.create_index("ix_outbox_subject_id", "outbox", ["subject_id"], unique=False)
    op.create_index(
        "ix_outbox_waiting", "outbox", ["next_try_at"], unique=False, postgresql_where=sa.text("delivered_at IS NULL")
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("interval_unit", sa.Text(), nullable=True),
        sa.Column("interval_count", sa.Integer(), nullable=True),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("dunning_days", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_plans_currency_code")),
        sa.CheckConstraint(
            "(cron IS NULL AND interval_unit IS NOT NULL AND interval_count > 0) OR (cron IS NOT NULL AND interval_unit IS NULL AND interval_count IS NULL)",
            name=op.f("ck_plans_one_calendar"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_plans_amount_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("plan_id", sa.String(length=40), nullable=False),
        sa.Column("billing_key_id", sa.String(length=40), nullable=False),
        sa.Column("customer", sa.String(length=120), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("anchor", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_period_index", sa.Integer(), nullable=False),
        sa.Column("next_period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancel_at_period_end", sa.Boolean(), nullable=False),
        sa.Column("canceled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'canceled') = (canceled_at IS NOT NULL)", name=op.f("ck_subscriptions_canceled_has_time")
        ),
        sa.CheckConstraint(
            "status IN ('active', 'canceled', 'past_due', 'paused', 'pending', 'trialing', 'unpaid')",
            name=op.f("ck_subscriptions_status_known"),
        ),
        sa.ForeignKeyConstraint(["billing_key_id"], ["billing_keys.id"], name=op.f("fk_subscriptions_billing_key_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_subscriptions_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
    )
    op.create_index(op.f("ix_subscriptions_billing_key_id"), "subscriptions", ["billing_key_id"], unique=False)
    op.create_index(
        "ix_subscriptions_renewing",
        "subscriptions",
        ["next_period_start"],
        unique=False,
        postgresql_where=sa.text("status IN ('active', 'past_due', 'pending', 'trialing')"),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("subscription_id", sa.String(length=40), nullable=False),
        sa.Column("billing_key_id", sa.String(length=40), nullable=False),
        sa.Column("period_index", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("merchant_uid", sa.String(length=40), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("declines", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_reason", sa.Text(), nullable=True),
        sa.Column("awaits_key", sa.Boolean(), nullable=False),
        sa.CheckConstraint("(status = 'open') = (closed_at IS NULL)", name=op.f("ck_invoices_closed_has_time")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_invoices_currency_code")),
        sa.CheckConstraint("status = 'open' OR next_attempt_at IS NULL", name=op.f("ck_invoices_closed_is_not_due")),
        sa.CheckConstraint(
            "status IN ('open', 'paid', 'uncollectible', 'void')", name=op.f("ck_invoices_status_known")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_invoices_amount_positive")),
        sa.CheckConstraint("period_end > period_start", name=op.f("ck_invoices_period_runs_forward")),
        sa.ForeignKeyConstraint(["billing_key_id"], ["billing_keys.id"], name=op.f("fk_invoices_billing_key_id")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscriptions.id"], name=op.f("fk_invoices_subscription_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("merchant_uid", name=op.f("uq_invoices_merchant_uid")),
        sa.UniqueConstraint("subscription_id", "period_index", name=op.f("uq_invoices_subscription_id_period_index")),
        sa.UniqueConstraint("subscription_id", "period_start", name=op.f("uq_invoices_subscription_id_period_start")),
    )
    op.create_index(
        "ix_invoices_billing_key",
        "invoices",
        ["billing_key_id"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(
        "ix_invoices_due", "invoices", ["next_attempt_at"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_index(
        "ix_invoices_leased",
        "invoices",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_table(
        "merchant_uids",
        sa.Column("merchant_uid", sa.String(length=40), nullable=False),
        sa.Column("invoice_id", sa.String(length=40), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.CheckConstraint("merchant_uid ~ '^[A-Za-z0-9]{1,40}$'", name=op.f("ck_merchant_uids_alphanumeric")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_merchant_uids_invoice_id")),
        sa.PrimaryKeyConstraint("merchant_uid", name=op.f("pk_merchant_uids")),
        sa.UniqueConstraint("invoice_id", "generation", name=op.f("uq_merchant_uids_invoice_id_generation")),
        sa.UniqueConstraint("merchant_uid", "invoice_id", name=op.f("uq_merchant_uids_merchant_uid_invoice_id")),
    )
    op.create_table(
        "payment_attempts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("invoice_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("merchant_uid", sa.String(length=40), nullable=False),
        sa.Column("billing_key_id", sa.String(length=40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("absent_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("imp_uid", sa.String(length=64), nullable=True),
        sa.Column("decline_kind", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("surplus", sa.Boolean(), nullable=False),
        sa.Column("evidence_id", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status IN ('in_flight', 'unknown')) = (closed_at IS NULL)",
            name=op.f("ck_payment_attempts_closed_has_time"),
        ),
        sa.CheckConstraint(
            "(status IN ('in_flight', 'unknown')) = (next_look_at IS NOT NULL)",
            name=op.f("ck_payment_attempts_open_is_looked_at"),
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_payment_attempts_currency_code")),
        sa.CheckConstraint(
            "status <> 'approved' OR (imp_uid IS NOT NULL AND evidence_id IS NOT NULL)",
            name=op.f("ck_payment_attempts_approved_has_evidence"),
        ),
        sa.CheckConstraint(
            "status IN ('approved', 'declined', 'failed', 'in_flight', 'unknown')",
            name=op.f("ck_payment_attempts_status_known"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_attempts_amount_positive")),
        sa.ForeignKeyConstraint(
            ["billing_key_id"], ["billing_keys.id"], name=op.f("fk_payment_attempts_billing_key_id")
        ),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name=op.f("fk_payment_attempts_evidence_id")),
        sa.ForeignKeyConstraint(
            ["merchant_uid", "invoice_id"],
            ["merchant_uids.merchant_uid", "merchant_uids.invoice_id"],
            name=op.f("fk_payment_attempts_merchant_uid_invoice_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_attempts")),
        sa.UniqueConstraint("imp_uid", name=op.f("uq_payment_attempts_imp_uid")),
        sa.UniqueConstraint("invoice_id", "number", name=op.f("uq_payment_attempts_invoice_id_number")),
    )
    op.create_index(
        "ix_payment_attempts_looks",
        "payment_attempts",
        ["next_look_at"],
        unique=False,
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
    )
    op.create_index(
        "ix_payment_attempts_merchant_uid",
        "payment_attempts",
        ["merchant_uid"],
        unique=False,
        postgresql_where=sa.text("status = 'in_flight'"),
    )
    op.create_index(
        "ix_payment_attempts_seen",
        "payment_attempts",
        ["closed_at"],
        unique=False,
        postgresql_where=sa.text("imp_uid IS NOT NULL"),
    )
    op.create_index(
        "uq_payment_attempts_one_open",
        "payment_attempts",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('in_flight', 'unknown')"),
    )
    op.create_index(
        "uq_payment_attempts_one_payment",
        "payment_attempts",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text("status = 'approved' AND NOT surplus"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index(
        "uq_payment_attempts_one_payment",
        table_name="payment_attempts",
        postgresql_where=sa.text("status = 'approved' AND NOT surplus"),
    )
    op.drop_index(
        "uq_payment_attempts_one_open",
        table_name="payment_attempts",
        postgresql_where=sa.text("status IN ('in_flight', 'unknown')"),
    )
    op.drop_index(
        "ix_payment_attempts_seen", table_name="payment_attempts", postgresql_where=sa.text("imp_uid IS NOT NULL")
    )
    op.drop_index(
        "ix_payment_attempts_merchant_uid",
        table_name="payment_attempts",
        postgresql_where=sa.text("status = 'in_flight'"),
    )
    op.drop_index(
        "ix_payment_attempts_looks", table_name="payment_attempts", postgresql_where=sa.text("next_look_at IS NOT NULL")
    )
    op.drop_table("payment_attempts")
    op.drop_table("merchant_uids")
    op.drop_index("ix_invoices_leased", table_name="invoices", postgresql_where=sa.text("lease_until IS NOT NULL"))
    op.drop_index("ix_invoices_due", table_name="invoices", postgresql_where=sa.text("status = 'open'"))
    op.drop_index("ix_invoices_billing_key", table_name="invoices", postgresql_where=sa.text("status = 'open'"))
    op.drop_table("invoices")
    op.drop_index(
        "ix_subscriptions_renewing",
        table_name="subscriptions",
        postgresql_where=sa.text("status IN ('active', 'past_due', 'pending', 'trialing')"),
    )
    op.drop_index(op.f("ix_subscriptions_billing_key_id"), table_name="subscriptions")
    op.drop_table("subscriptions")
    op.drop_table("plans")
    op.drop_index("ix_outbox_waiting", table_name="outbox", postgresql_where=sa.text("delivered_at IS NULL"))
    op.drop_index("ix_outbox_subject_id", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=sa.text("status = 'received'"))
    op.drop_table("inbox")
    op.drop_index(op.f("ix_evidence_attempt_id"), table_name="evidence")
    op.drop_table("evidence")
    op.drop_index(
        "ix_billing_keys_looks", table_name="billing_keys", postgresql_where=sa.text("next_look_at IS NOT NULL")
    )
    op.drop_table("billing_keys")
    op.drop_index("uq_alerts_one_open", table_name="alerts", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_table("alerts")
