"""Every event that was written before gets its place in its stream, in the order in which they were written."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0006_numbers"
down_revision = "0006"

NUMBER = """
    WITH batch AS MATERIALIZED (
        SELECT id, sequence, CASE WHEN type LIKE 'billing_key.%' THEN subject_id
               ELSE coalesce(data ->> 'subscription_id', subject_id) END AS stream
        FROM outbox WHERE sequence > :after AND sequence <= :until AND stream_id IS NULL),
    counted AS (
        INSERT INTO event_streams AS known (id, last_sequence) SELECT stream, count(*) FROM batch GROUP BY 1
        ON CONFLICT (id) DO UPDATE SET last_sequence = known.last_sequence + excluded.last_sequence
        RETURNING id, last_sequence),
    numbered AS (
        SELECT b.id, b.stream, c.last_sequence - count(*) OVER (PARTITION BY b.stream)
               + row_number() OVER (PARTITION BY b.stream ORDER BY b.sequence) AS place
        FROM batch b JOIN counted c ON c.id = b.stream)
    UPDATE outbox SET stream_id = numbered.stream, stream_sequence = numbered.place
    FROM numbered WHERE outbox.id = numbered.id
"""

VALIDATE = """
    DO $$ DECLARE rule text; BEGIN
        FOR rule IN SELECT conname FROM pg_constraint
                    WHERE conrelid = 'outbox'::regclass AND contype = 'c' AND NOT convalidated LOOP
            EXECUTE format('ALTER TABLE outbox VALIDATE CONSTRAINT %I', rule);
        END LOOP;
    END $$
"""
"""While others read and write; a rule that holds already needs no second look at each row."""


def upgrade() -> None:
    """Apply."""
    online.in_batches("outbox", "sequence", NUMBER)
    op.execute(VALIDATE)
    # The rule is known to hold, so that these look at no row.
    op.alter_column("outbox", "stream_id", nullable=False)
    op.alter_column("outbox", "stream_sequence", nullable=False)
    op.execute("ALTER TABLE outbox DROP CONSTRAINT IF EXISTS ck_outbox_numbered")
    op.execute("ANALYZE outbox")


def downgrade() -> None:
    """Take back: the next step drops the columns."""
