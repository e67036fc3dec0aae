"""The first count of all invoices, indexes that the new scans read, and none that nothing reads."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0014_indexes"
down_revision = "0014"

FORGOTTEN = "delivered_at IS NOT NULL AND type NOT IN ('subscription.activated', 'subscription.periods_skipped')"


def upgrade() -> None:
    """Apply."""
    online.print_line("counting all invoices once")
    op.execute("SELECT recount_invoices()")
    op.execute("ALTER TABLE invoices DROP CONSTRAINT IF EXISTS uq_invoices_merchant_uid")  # pk_merchant_uids says it
    op.execute("DROP INDEX IF EXISTS ix_evidence_attempt_id")
    op.execute("DROP INDEX IF EXISTS ix_outbox_subject_id")  # asked for within one stream, by its own index
    online.index("ix_outbox_forgotten", "outbox", ["delivered_at"], where=FORGOTTEN)
    op.execute("DROP INDEX IF EXISTS ix_outbox_delivered")
    online.index("ix_subscriptions_canceled", "subscriptions", ["canceled_at"], where="canceled_at IS NOT NULL")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_subscriptions_canceled", table_name="subscriptions")
    op.execute("CREATE INDEX ix_outbox_delivered ON outbox (delivered_at) WHERE delivered_at IS NOT NULL")
    op.drop_index("ix_outbox_forgotten", table_name="outbox")
    op.create_index("ix_outbox_subject_id", "outbox", ["subject_id"])
    op.create_index(op.f("ix_evidence_attempt_id"), "evidence", ["attempt_id"])
    op.create_unique_constraint(op.f("uq_invoices_merchant_uid"), "invoices", ["merchant_uid"])
