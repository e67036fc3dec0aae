"""Outgoing events: one order a subscription, an end to trying, and what is known of the receiver."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0008"

WAITS = sa.text("delivered_at IS NULL AND abandoned_at IS NULL")

NUMBER_WHAT_IS_THERE = """
    UPDATE outbox SET stream_id = numbered.stream_id, stream_sequence = numbered.place
    FROM (SELECT id, stream_id, row_number() OVER (PARTITION BY stream_id ORDER BY sequence) AS place
          FROM (SELECT id, sequence, CASE WHEN type LIKE 'billing_key.%' THEN subject_id
                       ELSE coalesce(data ->> 'subscription_id', subject_id) END AS stream_id FROM outbox) told) numbered
    WHERE outbox.id = numbered.id
"""


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
    op.execute(NUMBER_WHAT_IS_THERE)
    op.execute("INSERT INTO event_streams SELECT stream_id, max(stream_sequence) FROM outbox GROUP BY 1")
    op.alter_column("outbox", "stream_id", nullable=False)
    op.alter_column("outbox", "stream_sequence", nullable=False)
    op.create_unique_constraint(op.f("uq_outbox_stream_id_stream_sequence"), "outbox", ["stream_id", "stream_sequence"])
    op.create_check_constraint(op.f("ck_outbox_one_end"), "outbox", "delivered_at IS NULL OR abandoned_at IS NULL")
    op.drop_index("ix_outbox_waiting", table_name="outbox")
    op.create_index("ix_outbox_waiting", "outbox", ["next_try_at"], postgresql_where=WAITS)
    op.create_index("ix_outbox_held_back", "outbox", ["stream_id", "stream_sequence"], postgresql_where=WAITS)
    for name, column in (
        ("ix_outbox_leased", "lease_until"),
        ("ix_outbox_abandoned", "abandoned_at"),
        ("ix_outbox_delivered", "delivered_at"),
    ):
        op.create_index(name, "outbox", [column], postgresql_where=sa.text(f"{column} IS NOT NULL"))


def downgrade() -> None:
    """Take back."""
    for name in ("held_back", "leased", "abandoned", "delivered", "waiting"):
        op.drop_index(f"ix_outbox_{name}", table_name="outbox")
    op.drop_constraint(op.f("ck_outbox_one_end"), "outbox", type_="check")
    op.drop_constraint(op.f("uq_outbox_stream_id_stream_sequence"), "outbox", type_="unique")
    for name in (
        *("stream_id", "stream_sequence", "version", "fence", "replays"),
        *("first_tried_at", "abandoned_at", "lease_until", "sending_until"),
    ):
        op.drop_column("outbox", name)
    op.create_index("ix_outbox_waiting", "outbox", ["next_try_at"], postgresql_where=sa.text("delivered_at IS NULL"))
    op.drop_table("event_endpoints")
    op.drop_table("event_streams")
