"""Charges that PortOne makes by itself at a date that we registered."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

WAYS = "collection IN ('portone_schedule', 'shadow', 'worker')"
LIVE = "status IN ('registered', 'registering', 'revoking')"
KNOWN = "status IN ('executed', 'refused', 'registered', 'registering', 'revoked', 'revoking')"

WAKE = """
    CREATE FUNCTION wake_schedules() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE schedules SET next_step_at = 'epoch'
        WHERE subscription_id = NEW.id AND period_index >= NEW.next_period_index AND status = 'registered';
        RETURN NULL;
    END $$
"""
WANTED = ("collection", "status", "billing_key_id", "cancel_at_period_end", "held_since", "next_period_start")


def upgrade() -> None:
    """Apply. No row is read: the defaults are constants, and the old rows are checked by the migration after this."""
    for table in ("plans", "subscriptions"):
        op.add_column(table, sa.Column("collection", sa.Text(), nullable=False, server_default="worker"))
        op.create_check_constraint(op.f(f"ck_{table}_collection_known"), table, WAYS, postgresql_not_valid=True)
    op.add_column(
        "subscriptions", sa.Column("scheduled_index", sa.Integer(), nullable=False, server_default=sa.text("-2"))
    )
    op.add_column(
        "payment_attempts", sa.Column("scheduled", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("subscription_id", sa.String(length=40), nullable=False),
        sa.Column("billing_key_id", sa.String(length=40), nullable=False),
        sa.Column("period_index", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("merchant_uid", sa.String(length=40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("schedule_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_step_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("evidence_id", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_schedules_amount_positive")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_schedules_currency_code")),
        sa.CheckConstraint(KNOWN, name=op.f("ck_schedules_status_known")),
        sa.CheckConstraint(f"({LIVE}) = (closed_at IS NULL)", name=op.f("ck_schedules_closed_has_time")),
        sa.CheckConstraint("closed_at IS NULL OR next_step_at IS NULL", name=op.f("ck_schedules_closed_has_no_step")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscriptions.id"], name=op.f("fk_schedules_subscription_id")),
        sa.ForeignKeyConstraint(["billing_key_id"], ["billing_keys.id"], name=op.f("fk_schedules_billing_key_id")),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name=op.f("fk_schedules_evidence_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("merchant_uid", name=op.f("uq_schedules_merchant_uid")),
        sa.UniqueConstraint(
            "subscription_id",
            "period_index",
            "generation",
            name=op.f("uq_schedules_subscription_id_period_index_generation"),
        ),
    )
    op.create_index(
        "uq_schedules_one_live",
        "schedules",
        ["subscription_id", "period_index"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_schedules_steps", "schedules", ["next_step_at"], postgresql_where=sa.text("next_step_at IS NOT NULL")
    )
    op.create_index("ix_schedules_schedule_at", "schedules", ["schedule_at", "id"])
    op.create_index("ix_schedules_billing_key_id", "schedules", ["billing_key_id"])
    # Whatever changes a subscription, the schedule of its next period is compared with it at once.
    op.execute(WAKE)
    changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in WANTED)
    op.execute(
        f"CREATE TRIGGER wake_schedules AFTER UPDATE ON subscriptions FOR EACH ROW"
        f" WHEN (NEW.scheduled_index >= NEW.next_period_index AND ({changed})) EXECUTE FUNCTION wake_schedules()"
    )


def downgrade() -> None:
    """Take it back. Raises where PortOne may still charge by a schedule: an older release would charge again."""
    left = op.get_bind().execute(sa.text("SELECT count(*) FROM schedules WHERE closed_at IS NULL")).scalar_one()
    if left:
        raise RuntimeError(f"{left} schedules may still be at PortOne: revoke them first (schedule revoke --all)")
    op.execute("DROP TRIGGER wake_schedules ON subscriptions")
    op.execute("DROP FUNCTION wake_schedules()")
    op.drop_table("schedules")
    op.drop_column("payment_attempts", "scheduled")
    op.drop_column("subscriptions", "scheduled_index")
    for table in ("subscriptions", "plans"):
        op.drop_constraint(op.f(f"ck_{table}_collection_known"), table, type_="check")
        op.drop_column(table, "collection")
