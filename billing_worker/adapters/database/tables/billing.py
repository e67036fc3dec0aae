"""Billing: plans, billing keys, subscriptions, invoices and their merchant_uids."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from billing_worker.adapters.database.tables.schema import (
    Named,
    ident,
    in_list,
    labels,
    metadata,
    moment,
    money,
    one_of,
    partial_index,
)
from billing_worker.domain.billing_key import IssueUse, KeyStatus
from billing_worker.domain.catch_up import CatchUpMode
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.subscription import RENEWING, SubscriptionStatus

plans = Table(
    "plans",
    metadata,
    ident(),
    Column("name", String(40), nullable=False),
    *money(),
    Column("interval_unit", Text),
    Column("interval_count", Integer),
    Column("cron", Text),
    Column("timezone", Text, nullable=False),
    Column("dunning_days", ARRAY(SmallInteger), nullable=False),
    moment("created_at"),
    Column("catch_up_mode", Named(CatchUpMode), nullable=False),
    Column("catch_up_max_age", Integer, nullable=False),
    *labels(),
    one_of("catch_up_mode", CatchUpMode),
    CheckConstraint("catch_up_max_age > 0", name="catch_up_max_age_positive"),
    CheckConstraint(
        "(cron IS NULL AND interval_unit IS NOT NULL AND interval_count > 0)"
        " OR (cron IS NOT NULL AND interval_unit IS NULL AND interval_count IS NULL)",
        name="one_calendar",
    ),
    Index("ix_plans_created_at", "created_at", "id"),
)


billing_keys = Table(
    "billing_keys",
    metadata,
    ident(),
    Column("customer_uid", String(80), nullable=False, unique=True),
    Column("pg_provider", String(40), nullable=False),
    Column("status", Named(KeyStatus), nullable=False),
    Column("buyer_name", String(16)),
    Column("buyer_email", String(64)),
    Column("buyer_tel", String(16)),
    moment("created_at"),
    moment("activated_at", required=False),
    Column("invalid_reason", Text),
    Column("looks", Integer, nullable=False),
    moment("next_look_at", required=False),
    Column("goodsid", Text),
    Column("issue_imp_uid", String(64), unique=True),
    Column("issue_merchant_uid", Text),
    Column("issue_amount", BigInteger),
    Column("issue_currency", String(3)),
    moment("issue_paid_at", required=False),
    Column("issue_buyer_email", String(64)),
    Column("issue_evidence_id", ForeignKey("evidence.id")),
    Column("issue_claim", Named(IssueUse), nullable=False, server_default="none"),
    Column("issue_for", String(40)),
    *labels(),
    one_of("status", KeyStatus),
    one_of("issue_claim", IssueUse),
    CheckConstraint("status = 'pending' OR next_look_at IS NULL", name="only_pending_is_looked_at"),
    CheckConstraint(
        "num_nulls(issue_imp_uid, issue_merchant_uid, issue_amount, issue_currency, issue_evidence_id) IN (0, 5)",
        name="issue_is_whole",
    ),
    CheckConstraint("(issue_claim IN ('chosen', 'counted')) = (issue_for IS NOT NULL)", name="issue_claim_has_owner"),
    CheckConstraint(
        "pg_provider <> 'paymentwall' OR status <> 'active'"
        " OR (issue_imp_uid IS NOT NULL AND coalesce(buyer_email = issue_buyer_email, false))",
        name="active_as_issued",
    ),
    partial_index("ix_billing_keys_looks", "next_look_at", where="next_look_at IS NOT NULL"),
    Index("ix_billing_keys_created_at", "created_at", "id"),
)


subscriptions = Table(
    "subscriptions",
    metadata,
    ident(),
    Column("plan_id", ForeignKey("plans.id"), nullable=False),
    Column("billing_key_id", ForeignKey("billing_keys.id"), nullable=False, index=True),
    Column("customer", String(120), nullable=False, index=True),
    Column("status", Named(SubscriptionStatus), nullable=False),
    moment("anchor"),
    Column("next_period_index", Integer, nullable=False),
    moment("next_period_start"),
    moment("created_at"),
    Column("cancel_at_period_end", Boolean, nullable=False),
    moment("canceled_at", required=False),
    moment("lease_until", required=False),
    moment("held_since", required=False),
    Column("catch_up_mode", Named(CatchUpMode)),
    moment("catch_up_until", required=False),
    *labels(),
    Column("allow_duplicate", Boolean, nullable=False, server_default=text("false")),
    one_of("status", SubscriptionStatus),
    one_of("catch_up_mode", CatchUpMode),
    CheckConstraint("(status = 'canceled') = (canceled_at IS NOT NULL)", name="canceled_has_time"),
    CheckConstraint(
        "(catch_up_mode IS NULL) = (catch_up_until IS NULL) AND catch_up_mode <> 'ask'", name="catch_up_is_decided"
    ),
    partial_index("ix_subscriptions_leased", "lease_until", where="lease_until IS NOT NULL"),
    partial_index(
        "ix_subscriptions_renewing", "next_period_start", where=f"{in_list('status', RENEWING)} AND held_since IS NULL"
    ),
    partial_index("ix_subscriptions_held", "plan_id", where="held_since IS NOT NULL"),
    Index("ix_subscriptions_created_at", "created_at", "id"),
    Index("ix_subscriptions_plan_id", "plan_id"),
    partial_index("ix_subscriptions_live", "customer", "plan_id", where="status <> 'canceled'"),
    partial_index("ix_subscriptions_canceled", "canceled_at", where="canceled_at IS NOT NULL"),
)


invoices = Table(
    "invoices",
    metadata,
    ident(),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("billing_key_id", ForeignKey("billing_keys.id"), nullable=False),
    Column("period_index", Integer, nullable=False),
    moment("period_start"),
    moment("period_end"),
    *money(),
    Column("status", Named(InvoiceStatus), nullable=False),
    Column("merchant_uid", String(40), nullable=False),
    Column("generation", Integer, nullable=False),
    moment("created_at"),
    moment("next_attempt_at", required=False),
    Column("attempts", Integer, nullable=False),
    Column("declines", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    moment("lease_until", required=False),
    moment("closed_at", required=False),
    Column("last_reason", Text),
    Column("awaits_key", Boolean, nullable=False),
    Column("taken_back", Integer, nullable=False, server_default=text("0")),
    one_of("status", InvoiceStatus),
    UniqueConstraint("subscription_id", "period_start"),
    UniqueConstraint("subscription_id", "period_index"),
    CheckConstraint("period_end > period_start", name="period_runs_forward"),
    CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="closed_has_time"),
    CheckConstraint("status = 'open' OR next_attempt_at IS NULL", name="closed_is_not_due"),
    partial_index("ix_invoices_due", "next_attempt_at", where="status = 'open'"),
    partial_index("ix_invoices_leased", "lease_until", where="lease_until IS NOT NULL"),
    partial_index("ix_invoices_billing_key", "billing_key_id", where="status = 'open'"),
    Index("ix_invoices_listed", "created_at", "id"),
    partial_index("ix_invoices_paid", "closed_at", where="status = 'paid'"),
)


merchant_uids = Table(
    "merchant_uids",
    metadata,
    Column("merchant_uid", String(40), primary_key=True),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    UniqueConstraint("invoice_id", "generation"),
    UniqueConstraint("merchant_uid", "invoice_id"),
    CheckConstraint("generation = 0 OR merchant_uid ~ '^[A-Za-z0-9]{1,40}$'", name="alphanumeric"),
)
