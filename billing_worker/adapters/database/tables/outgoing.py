"""Events for the merchant, their streams, and the receivers."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from billing_worker.adapters.database.tables.schema import ident, metadata, moment, partial_index

_EVENT_WAITS = "delivered_at IS NULL AND abandoned_at IS NULL"

FORGOTTEN = "type NOT IN ('subscription.activated', 'subscription.periods_skipped')"
"""What is thrown away in the end. The others account for periods that were left out, and stay."""


outbox = Table(
    "outbox",
    metadata,
    ident(),
    Column("sequence", BigInteger, Identity(), nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("subject_id", String(40), nullable=False),
    Column("data", JSONB, nullable=False),
    moment("occurred_at"),
    moment("next_try_at"),
    Column("tries", Integer, nullable=False),
    moment("delivered_at", required=False),
    Column("note", Text),
    Column("stream_id", String(40), nullable=False),
    Column("stream_sequence", BigInteger, nullable=False),
    Column("version", SmallInteger, nullable=False),
    moment("first_tried_at", required=False),
    moment("abandoned_at", required=False),
    moment("lease_until", required=False),
    moment("sending_until", required=False),
    Column("fence", BigInteger, nullable=False),
    Column("replays", Integer, nullable=False),
    UniqueConstraint("stream_id", "stream_sequence"),
    CheckConstraint("delivered_at IS NULL OR abandoned_at IS NULL", name="one_end"),
    partial_index("ix_outbox_waiting", "next_try_at", where=_EVENT_WAITS),
    partial_index("ix_outbox_held_back", "stream_id", "stream_sequence", where=_EVENT_WAITS),
    partial_index("ix_outbox_leased", "lease_until", where="lease_until IS NOT NULL"),
    partial_index("ix_outbox_abandoned", "abandoned_at", where="abandoned_at IS NOT NULL"),
    partial_index("ix_outbox_forgotten", "delivered_at", where=f"delivered_at IS NOT NULL AND {FORGOTTEN}"),
)


event_streams = Table(
    "event_streams",
    metadata,
    ident(),
    Column("last_sequence", BigInteger, nullable=False),
)


event_endpoints = Table(
    "event_endpoints",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("url", Text, nullable=False),
    moment("created_at"),
    Column("window", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_failed", String(40)),
    moment("failing_since", required=False),
    moment("next_probe_at", required=False),
    Column("probe_id", String(40)),
    moment("disabled_at", required=False),
    Column("last_trouble", Text),
    moment("last_success_at", required=False),
)
