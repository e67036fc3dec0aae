"""Notifications from the gateway and from Paymentwall."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from billing_worker.adapters.database.tables.schema import Named, metadata, moment, one_of, partial_index
from billing_worker.domain.pingback import Verdict
from billing_worker.ports.incoming import InboxStatus

inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("source", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("status", Named(InboxStatus), nullable=False),
    moment("received_at"),
    moment("next_try_at"),
    Column("tries", Integer, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("note", Text),
    Column("is_foreign", Boolean, nullable=False, server_default=text("false")),
    moment("not_before", required=False),
    moment("read_at", required=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    moment("last_received_at", required=False),
    moment("waiting_since", required=False),
    moment("closed_at", required=False),
    Column("subject_id", Text),
    Column("answer", JSONB(none_as_null=True)),
    UniqueConstraint("source", "dedupe_key"),
    one_of("status", InboxStatus),
    partial_index("ix_inbox_waiting", "is_foreign", "next_try_at", where="status = 'received'"),
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
    moment("created_at"),
    Column("confirmed_key", Boolean, nullable=False),
    Column("seen", ARRAY(Text), nullable=False),
    Column("waiting", ARRAY(Text), nullable=False),
    one_of("verdict", Verdict),
    CheckConstraint("waiting <@ seen", name="waiting_was_seen"),
    Index("ix_pingback_payments_uid", "uid", "id"),
)
