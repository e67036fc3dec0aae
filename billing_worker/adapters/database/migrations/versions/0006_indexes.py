"""Indexes of the outgoing events, which are many by then."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0006_indexes"
down_revision = "0006_numbers"

WAITS = "delivered_at IS NULL AND abandoned_at IS NULL"
PLACE = "uq_outbox_stream_id_stream_sequence"

AS_CONSTRAINT = f"""
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'outbox'::regclass AND conname = '{PLACE}') THEN
            ALTER TABLE outbox ADD CONSTRAINT {PLACE} UNIQUE USING INDEX {PLACE};
        END IF;
    END $$
"""


def upgrade() -> None:
    """Apply."""
    online.index(PLACE, "outbox", ["stream_id", "stream_sequence"], unique=True)
    online.index("ix_outbox_waiting", "outbox", ["next_try_at"], where=WAITS)
    online.index("ix_outbox_held_back", "outbox", ["stream_id", "stream_sequence"], where=WAITS)
    for name, column in (("leased", "lease_until"), ("abandoned", "abandoned_at"), ("delivered", "delivered_at")):
        online.index(f"ix_outbox_{name}", "outbox", [column], where=f"{column} IS NOT NULL")
    op.execute(AS_CONSTRAINT)


def downgrade() -> None:
    """Take back."""
    for name in ("held_back", "leased", "abandoned", "delivered", "waiting"):
        op.drop_index(f"ix_outbox_{name}", table_name="outbox")
    op.drop_constraint(op.f(PLACE), "outbox", type_="unique")
