"""Outgoing events: one order a subscription, an end to trying, and what is known of the receiver."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "event_streams",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_streams")),
    )
    op.create_table(
        "event_endpoints",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed", sa.String(length=40), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probe_id", sa.String(length=40), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_trouble", sa.Text(), nullable=True),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_endpoints")),
    )
    op.add_column("outbox", sa.Column("stream_id", sa.String(length=40), nullable=True))
    op.add_column("outbox", sa.Column("stream_sequence", sa.BigInteger(), nullable=True))
    for name, kind, value in (
        # What was written before has fewer fields than version 1 promises.
        ("version", sa.SmallInteger(), "0"),
        ("fence", sa.BigInteger(), "0"),
        ("replays", sa.Integer(), "0"),
    ):
        op.add_column("outbox", sa.Column(name, kind, nullable=False, server_default=value))
        op.alter_column("outbox", name, server_default=None)
    for name in ("first_tried_at", "abandoned_at", "lease_until", "sending_until"):
        op.add_column("outbox", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    # From here on no row is written without its number; those that are there get theirs in the next migration.
    op.execute(
        "ALTER TABLE outbox ADD CONSTRAINT ck_outbox_numbered"
        " CHECK (stream_id IS NOT NULL AND stream_sequence IS NOT NULL) NOT VALID"
    )
    op.execute(
        "ALTER TABLE outbox ADD CONSTRAINT ck_outbox_one_end"
        " CHECK (delivered_at IS NULL OR abandoned_at IS NULL) NOT VALID"
    )
    op.drop_index("ix_outbox_waiting", table_name="outbox")


def downgrade() -> None:
    """Take back."""
    op.drop_constraint(op.f("ck_outbox_one_end"), "outbox", type_="check")
    for name in (
        *("stream_id", "stream_sequence", "version", "fence", "replays"),
        *("first_tried_at", "abandoned_at", "lease_until", "sending_until"),
    ):
        op.drop_column("outbox", name)
    op.create_index("ix_outbox_waiting", "outbox", ["next_try_at"], postgresql_where=sa.text("delivered_at IS NULL"))
    op.drop_table("event_endpoints")
    op.drop_table("event_streams")
