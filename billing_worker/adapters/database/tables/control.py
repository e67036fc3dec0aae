"""The controls on charging: stops, the claimed environment, and the pace of late work."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    SmallInteger,
    Table,
    Text,
)

from billing_worker.adapters.database.tables.schema import Named, ident, metadata, moment, one_of, partial_index
from billing_worker.domain.payment import Trouble
from billing_worker.domain.stop import StopCause

catch_up_buckets = Table(
    "catch_up_buckets",
    metadata,
    ident(),
    Column("millionths", BigInteger, nullable=False),
    moment("filled_at"),
    CheckConstraint("millionths >= 0", name="millionths_not_negative"),
)


service_spans = Table(
    "service_spans",
    metadata,
    ident(),
    moment("since"),
    moment("seen_at"),
    CheckConstraint("since <= seen_at", name="runs_forward"),
)
"""Since when charges begin without an interruption: one row."""


pg_turns = Table(
    "pg_turns",
    metadata,
    ident(),
    moment("next_call_at"),
    moment("next_look_at"),
)
"""The next free turn of each PG that limits its calls, by PortOne's code."""


gateway_watch = Table(
    "gateway_watch",
    metadata,
    ident(),
    Column("trouble", Named(Trouble)),
    Column("in_a_row", SmallInteger, nullable=False),
    moment("noted_at", required=False),
    moment("next_probe_at", required=False),
    one_of("trouble", Trouble),
    CheckConstraint(
        "(trouble IS NULL) = (in_a_row = 0) AND (trouble IS NULL) = (noted_at IS NULL)", name="row_has_trouble"
    ),
)
"""The latest calls that the gateway failed in a row: one row."""


stops = Table(
    "stops",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("scope", Text, nullable=False),
    Column("cause", Named(StopCause), nullable=False),
    Column("reason", Text, nullable=False),
    Column("subjects", ARRAY(Text), nullable=False),
    moment("opened_at"),
    moment("closed_at", required=False),
    Column("note", Text),
    one_of("cause", StopCause),
    CheckConstraint("(closed_at IS NULL) = (note IS NULL)", name="closed_has_note"),
    CheckConstraint("scope ~ '^(all|pg:.+|subscription:.+|invoice:.+)$'", name="scope_known"),
    partial_index("uq_stops_one_open", "scope", "cause", where="closed_at IS NULL", unique=True),
)


environment_claims = Table(
    "environment_claims",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("database", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("environment", Text, nullable=False),
    moment("claimed_at"),
)
