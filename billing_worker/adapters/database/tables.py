"""The schema: the last guard of every promise.

Each rule that must never break stands here as a constraint, so that a bug in the code above meets an error and not a
second charge: one invoice per period, one owner per merchant_uid, one open attempt and one settling payment per
invoice, no approval without evidence.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from billing_worker.domain.access import Scope
from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import IssueUse, KeyStatus
from billing_worker.domain.catch_up import CatchUpMode
from billing_worker.domain.comparison import ComparisonStatus
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.payment import DeclineKind
from billing_worker.domain.pingback import Verdict
from billing_worker.domain.refund import RefundCause, RefundStatus
from billing_worker.domain.stop import StopCause
from billing_worker.domain.subscription import RENEWING, SubscriptionStatus
from billing_worker.ports import InboxStatus

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out; a naive time is refused before it can be misread."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To the database."""
        if value is not None and value.tzinfo is None:
            raise AssertionError("a naive datetime reached the database")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database."""
        return value.astimezone(UTC) if value is not None else None


class Named(TypeDecorator[Any]):
    """A StrEnum kept as text; a CHECK beside the column keeps unknown words out."""

    impl = Text
    cache_ok = True

    def __init__(self, enum: type[StrEnum]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else self.enum(value)


def _one_of(column: str, enum: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(_in(column, enum), name=f"{column}_known")


def _in(column: str, values: Any) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in sorted(values))})"


def _index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, postgresql_where=text(where))


def _ident() -> Column[str]:
    return Column("id", String(40), primary_key=True)


def _time(name: str, *, required: bool = True) -> Column[datetime]:
    return Column(name, UtcDateTime, nullable=not required)


def _money() -> tuple[Column[int], Column[str], CheckConstraint, CheckConstraint]:
    return (
        Column("amount", BigInteger, nullable=False),
        Column("currency", String(3), nullable=False),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
    )


def _labels() -> tuple[Column[str], Column[dict[str, str]]]:
    """What a merchant writes on a thing to find it again."""
    return (
        Column("external_id", String(120), unique=True),
        Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    )


plans = Table(
    "plans",
    metadata,
    _ident(),
    Column("name", String(40), nullable=False),
    *_money(),
    Column("interval_unit", Text),
    Column("interval_count", Integer),
    Column("cron", Text),
    Column("timezone", Text, nullable=False),
    Column("dunning_days", ARRAY(SmallInteger), nullable=False),
    _time("created_at"),
    Column("catch_up_mode", Named(CatchUpMode), nullable=False),
    Column("catch_up_max_age", Integer, nullable=False),
    *_labels(),
    _one_of("catch_up_mode", CatchUpMode),
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
    _ident(),
    Column("customer_uid", String(80), nullable=False, unique=True),
    Column("pg_provider", String(40), nullable=False),
    Column("status", Named(KeyStatus), nullable=False),
    Column("buyer_name", String(16)),
    Column("buyer_email", String(64)),
    Column("buyer_tel", String(16)),
    _time("created_at"),
    _time("activated_at", required=False),
    Column("invalid_reason", Text),
    Column("looks", Integer, nullable=False),
    _time("next_look_at", required=False),
    Column("goodsid", Text),
    Column("issue_imp_uid", String(64), unique=True),
    Column("issue_merchant_uid", Text),
    Column("issue_amount", BigInteger),
    Column("issue_currency", String(3)),
    _time("issue_paid_at", required=False),
    Column("issue_buyer_email", String(64)),
    Column("issue_evidence_id", ForeignKey("evidence.id")),
    Column("issue_claim", Named(IssueUse), nullable=False, server_default="none"),
    Column("issue_for", String(40)),
    *_labels(),
    _one_of("status", KeyStatus),
    _one_of("issue_claim", IssueUse),
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
    _index("ix_billing_keys_looks", "next_look_at", where="next_look_at IS NOT NULL"),
    Index("ix_billing_keys_created_at", "created_at", "id"),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    _ident(),
    Column("plan_id", ForeignKey("plans.id"), nullable=False),
    Column("billing_key_id", ForeignKey("billing_keys.id"), nullable=False, index=True),
    Column("customer", String(120), nullable=False, index=True),
    Column("status", Named(SubscriptionStatus), nullable=False),
    _time("anchor"),
    Column("next_period_index", Integer, nullable=False),
    _time("next_period_start"),
    _time("created_at"),
    Column("cancel_at_period_end", Boolean, nullable=False),
    _time("canceled_at", required=False),
    _time("lease_until", required=False),
    _time("held_since", required=False),
    Column("catch_up_mode", Named(CatchUpMode)),
    _time("catch_up_until", required=False),
    *_labels(),
    Column("allow_duplicate", Boolean, nullable=False, server_default=text("false")),
    _one_of("status", SubscriptionStatus),
    _one_of("catch_up_mode", CatchUpMode),
    CheckConstraint("(status = 'canceled') = (canceled_at IS NOT NULL)", name="canceled_has_time"),
    CheckConstraint(
        "(catch_up_mode IS NULL) = (catch_up_until IS NULL) AND catch_up_mode <> 'ask'", name="catch_up_is_decided"
    ),
    _index("ix_subscriptions_leased", "lease_until", where="lease_until IS NOT NULL"),
    _index("ix_subscriptions_renewing", "next_period_start", where=f"{_in('status', RENEWING)} AND held_since IS NULL"),
    _index("ix_subscriptions_held", "plan_id", where="held_since IS NOT NULL"),
    Index("ix_subscriptions_created_at", "created_at", "id"),
    Index("ix_subscriptions_plan_id", "plan_id"),
    _index("ix_subscriptions_live", "customer", "plan_id", where="status <> 'canceled'"),
)

invoices = Table(
    "invoices",
    metadata,
    _ident(),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("billing_key_id", ForeignKey("billing_keys.id"), nullable=False),
    Column("period_index", Integer, nullable=False),
    _time("period_start"),
    _time("period_end"),
    *_money(),
    Column("status", Named(InvoiceStatus), nullable=False),
    Column("merchant_uid", String(40), nullable=False),
    Column("generation", Integer, nullable=False),
    _time("created_at"),
    _time("next_attempt_at", required=False),
    Column("attempts", Integer, nullable=False),
    Column("declines", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    _time("lease_until", required=False),
    _time("closed_at", required=False),
    Column("last_reason", Text),
    Column("awaits_key", Boolean, nullable=False),
    Column("taken_back", Integer, nullable=False, server_default=text("0")),
    _one_of("status", InvoiceStatus),
    UniqueConstraint("subscription_id", "period_start"),
    UniqueConstraint("subscription_id", "period_index"),
    UniqueConstraint("merchant_uid"),
    CheckConstraint("period_end > period_start", name="period_runs_forward"),
    CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="closed_has_time"),
    CheckConstraint("status = 'open' OR next_attempt_at IS NULL", name="closed_is_not_due"),
    _index("ix_invoices_due", "next_attempt_at", where="status = 'open'"),
    _index("ix_invoices_leased", "lease_until", where="lease_until IS NOT NULL"),
    _index("ix_invoices_billing_key", "billing_key_id", where="status = 'open'"),
    Index("ix_invoices_listed", "created_at", "id"),
    _index("ix_invoices_paid", "closed_at", where="status = 'paid'"),
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

evidence = Table(
    "evidence",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("attempt_id", String(40), index=True),
    Column("source", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("http_status", SmallInteger),
    Column("body", Text, nullable=False),
    _time("received_at"),
)

payment_attempts = Table(
    "payment_attempts",
    metadata,
    _ident(),
    Column("invoice_id", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("merchant_uid", String(40), nullable=False),
    Column("billing_key_id", ForeignKey("billing_keys.id"), nullable=False),
    *_money(),
    Column("status", Named(AttemptStatus), nullable=False),
    Column("fence", BigInteger, nullable=False),
    _time("started_at"),
    _time("lease_until"),
    _time("next_look_at", required=False),
    Column("looks", Integer, nullable=False),
    _time("absent_since", required=False),
    Column("refused", Boolean, nullable=False),
    Column("imp_uid", String(64), unique=True),
    Column("decline_kind", Named(DeclineKind)),
    Column("reason", Text),
    Column("surplus", Boolean, nullable=False),
    Column("found", Boolean, nullable=False, server_default=text("false")),
    Column("evidence_id", ForeignKey("evidence.id")),
    _time("closed_at", required=False),
    Column("refunded", BigInteger, nullable=False, server_default="0"),
    Column("refund_evidence_id", ForeignKey("evidence.id")),
    ForeignKeyConstraint(["merchant_uid", "invoice_id"], ["merchant_uids.merchant_uid", "merchant_uids.invoice_id"]),
    UniqueConstraint("invoice_id", "number"),
    _one_of("status", AttemptStatus),
    CheckConstraint(
        "status <> 'approved' OR (imp_uid IS NOT NULL AND evidence_id IS NOT NULL)", name="approved_has_evidence"
    ),
    CheckConstraint("refunded BETWEEN 0 AND amount", name="refunded_within_amount"),
    CheckConstraint("refunded = 0 OR status = 'approved'", name="refunded_was_approved"),
    CheckConstraint("refunded = 0 OR refund_evidence_id IS NOT NULL", name="refunded_has_evidence"),
    CheckConstraint("(status IN ('in_flight', 'unknown')) = (closed_at IS NULL)", name="closed_has_time"),
    CheckConstraint("(status IN ('in_flight', 'unknown')) = (next_look_at IS NOT NULL)", name="open_is_looked_at"),
    _index("uq_payment_attempts_one_open", "invoice_id", where="status IN ('in_flight', 'unknown')", unique=True),
    _index("uq_payment_attempts_one_payment", "invoice_id", where="status = 'approved' AND NOT surplus", unique=True),
    _index("ix_payment_attempts_looks", "next_look_at", where="next_look_at IS NOT NULL"),
    _index("ix_payment_attempts_merchant_uid", "merchant_uid", where="status = 'in_flight'"),
    _index("ix_payment_attempts_seen", "closed_at", where="imp_uid IS NOT NULL"),
    Index("ix_payment_attempts_started_at", "started_at"),
    _index("ix_payment_attempts_found", "closed_at", where="found"),
)

doubts = Table(
    "doubts",
    metadata,
    _ident(),
    _time("since"),
    _time("looked_at"),
)
"""Payments in our books that the gateway does not show as they are booked, by the id of the attempt or key; few."""

refunds = Table(
    "refunds",
    metadata,
    _ident(),
    Column("attempt_id", ForeignKey("payment_attempts.id"), nullable=False, index=True),
    *_money(),
    Column("balance", BigInteger, nullable=False),
    Column("cause", Named(RefundCause), nullable=False),
    Column("reason", Text, nullable=False),
    _time("created_at"),
    _time("next_step_at", required=False),
    Column("status", Named(RefundStatus), nullable=False),
    Column("idempotency_key", String(255)),
    Column("fence", BigInteger, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("looks", Integer, nullable=False),
    _time("lease_until", required=False),
    _time("absent_since", required=False),
    Column("accepted", Boolean, nullable=False),
    Column("refused", Boolean, nullable=False),
    Column("note", Text),
    Column("evidence_id", ForeignKey("evidence.id")),
    _time("closed_at", required=False),
    _one_of("status", RefundStatus),
    _one_of("cause", RefundCause),
    UniqueConstraint("attempt_id", "idempotency_key"),
    CheckConstraint("amount <= balance", name="amount_within_balance"),
    CheckConstraint("status <> 'succeeded' OR evidence_id IS NOT NULL", name="succeeded_has_evidence"),
    CheckConstraint("(status IN ('pending', 'in_flight', 'unknown')) = (closed_at IS NULL)", name="closed_has_time"),
    CheckConstraint(
        "(status IN ('pending', 'in_flight', 'unknown')) = (next_step_at IS NOT NULL)", name="open_has_next_step"
    ),
    _index("uq_refunds_one_open", "attempt_id", where="closed_at IS NULL", unique=True),
    _index("ix_refunds_steps", "next_step_at", where="next_step_at IS NOT NULL"),
    Index("ix_refunds_created_at", "created_at", "id"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("source", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("status", Named(InboxStatus), nullable=False),
    _time("received_at"),
    _time("next_try_at"),
    Column("tries", Integer, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("note", Text),
    Column("is_foreign", Boolean, nullable=False, server_default=text("false")),
    _time("not_before", required=False),
    _time("read_at", required=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    _time("last_received_at", required=False),
    _time("waiting_since", required=False),
    _time("closed_at", required=False),
    Column("subject_id", Text),
    Column("answer", JSONB(none_as_null=True)),
    UniqueConstraint("source", "dedupe_key"),
    _one_of("status", InboxStatus),
    _index("ix_inbox_waiting", "is_foreign", "next_try_at", where="status = 'received'"),
    Index("ix_inbox_received_at", "received_at"),
    Index(
        "ix_inbox_reads", text("(payload ->> 'merchant_uid')"), "read_at", postgresql_where=text("read_at IS NOT NULL")
    ),
)

pingback_payments = Table(
    "pingback_payments",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("ref", String(255), nullable=False, unique=True),
    Column("uid", Text, nullable=False),
    Column("goodsid", Text),
    Column("verdict", Named(Verdict), nullable=False),
    _time("created_at"),
    Column("confirmed_key", Boolean, nullable=False),
    Column("seen", ARRAY(Text), nullable=False),
    Column("waiting", ARRAY(Text), nullable=False),
    _one_of("verdict", Verdict),
    CheckConstraint("waiting <@ seen", name="waiting_was_seen"),
    Index("ix_pingback_payments_uid", "uid", "id"),
)

_EVENT_WAITS = "delivered_at IS NULL AND abandoned_at IS NULL"

outbox = Table(
    "outbox",
    metadata,
    _ident(),
    Column("sequence", BigInteger, Identity(), nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("subject_id", String(40), nullable=False),
    Column("data", JSONB, nullable=False),
    _time("occurred_at"),
    _time("next_try_at"),
    Column("tries", Integer, nullable=False),
    _time("delivered_at", required=False),
    Column("note", Text),
    Column("stream_id", String(40), nullable=False),
    Column("stream_sequence", BigInteger, nullable=False),
    Column("version", SmallInteger, nullable=False),
    _time("first_tried_at", required=False),
    _time("abandoned_at", required=False),
    _time("lease_until", required=False),
    _time("sending_until", required=False),
    Column("fence", BigInteger, nullable=False),
    Column("replays", Integer, nullable=False),
    UniqueConstraint("stream_id", "stream_sequence"),
    CheckConstraint("delivered_at IS NULL OR abandoned_at IS NULL", name="one_end"),
    _index("ix_outbox_waiting", "next_try_at", where=_EVENT_WAITS),
    _index("ix_outbox_held_back", "stream_id", "stream_sequence", where=_EVENT_WAITS),
    _index("ix_outbox_leased", "lease_until", where="lease_until IS NOT NULL"),
    _index("ix_outbox_abandoned", "abandoned_at", where="abandoned_at IS NOT NULL"),
    _index("ix_outbox_delivered", "delivered_at", where="delivered_at IS NOT NULL"),
    Index("ix_outbox_subject_id", "subject_id"),
)

event_streams = Table(
    "event_streams",
    metadata,
    _ident(),
    Column("last_sequence", BigInteger, nullable=False),
)

event_endpoints = Table(
    "event_endpoints",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("url", Text, nullable=False),
    _time("created_at"),
    Column("window", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_failed", String(40)),
    _time("failing_since", required=False),
    _time("next_probe_at", required=False),
    Column("probe_id", String(40)),
    _time("disabled_at", required=False),
    Column("last_trouble", Text),
    _time("last_success_at", required=False),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _time("starts_at"),
    _time("ends_at"),
    Column("status", Named(ComparisonStatus), nullable=False),
    _time("created_at"),
    _time("next_try_at"),
    Column("tries", Integer, nullable=False),
    Column("payments", Integer, nullable=False),
    Column("others", Integer, nullable=False),
    Column("booked", Integer, nullable=False),
    Column("alerted", Integer, nullable=False),
    _time("finished_at", required=False),
    Column("note", Text),
    _one_of("status", ComparisonStatus),
    CheckConstraint("ends_at > starts_at", name="span_runs_forward"),
    CheckConstraint("(status = 'done') = (finished_at IS NOT NULL)", name="done_has_time"),
    Index("ix_comparisons_ends_at", "ends_at"),
    _index("ix_comparisons_tries", "next_try_at", where="status <> 'done'"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("detail", Text, nullable=False),
    _time("opened_at"),
    _time("closed_at", required=False),
    Column("proposal", Text),
    Column("evidence_id", ForeignKey("evidence.id")),
    Index("ix_alerts_subject_id", "subject_id", "kind"),
    _index("uq_alerts_one_open", "kind", "subject_id", where="closed_at IS NULL", unique=True),
)

catch_up_buckets = Table(
    "catch_up_buckets",
    metadata,
    _ident(),
    Column("millionths", BigInteger, nullable=False),
    _time("filled_at"),
    CheckConstraint("millionths >= 0", name="millionths_not_negative"),
)

stops = Table(
    "stops",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("scope", Text, nullable=False),
    Column("cause", Named(StopCause), nullable=False),
    Column("reason", Text, nullable=False),
    Column("subjects", ARRAY(Text), nullable=False),
    _time("opened_at"),
    _time("closed_at", required=False),
    Column("note", Text),
    _one_of("cause", StopCause),
    CheckConstraint("(closed_at IS NULL) = (note IS NULL)", name="closed_has_note"),
    CheckConstraint("scope ~ '^(all|pg:.+|subscription:.+)$'", name="scope_known"),
    _index("uq_stops_one_open", "scope", "cause", where="closed_at IS NULL", unique=True),
)

environment_claims = Table(
    "environment_claims",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("database", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("environment", Text, nullable=False),
    _time("claimed_at"),
)

audits = Table(
    "audits",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _time("began_at"),
    _time("until"),
    _time("finished_at", required=False),
    Column("checked", BigInteger),
    Column("breaches", Integer),
    Index("ix_audits_began_at", "began_at"),
)

kept_answers = Table(
    "kept_answers",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    _time("created_at"),
    CheckConstraint("status BETWEEN 200 AND 499", name="status_is_kept"),
    Index("ix_kept_answers_created_at", "created_at"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    _ident(),
    Column("name", String(40), nullable=False),
    Column("scope", Named(Scope), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    _time("created_at"),
    Column("created_by", Text, nullable=False),
    _time("revoked_at", required=False),
    Column("revoked_by", Text),
    _one_of("scope", Scope),
    CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked_by_somebody"),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest_only"),
    _index("uq_api_tokens_one_in_force", "name", where="revoked_at IS NULL", unique=True),
)

actions = Table(
    "actions",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("actor", Text, nullable=False),
    Column("verb", Named(Verb), nullable=False),
    Column("subject_id", Text, nullable=False),
    _time("at"),
    Column("detail", Text),
    Index("ix_actions_subject_id", "subject_id", "id"),
    Index("ix_actions_actor", "actor", "id"),
)
