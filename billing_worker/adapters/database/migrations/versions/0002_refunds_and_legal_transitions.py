"""Refunds, what was given back of a payment, and triggers that refuse a state change which the domain does not list."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

LEGAL = {
    "billing_keys": ("active>deleted active>invalid invalid>active invalid>deleted pending>active pending>deleted"
                     " pending>invalid"),
    "invoices": "open>paid open>uncollectible open>void uncollectible>open uncollectible>paid uncollectible>void",
    "payment_attempts": ("declined>approved failed>approved in_flight>approved in_flight>declined in_flight>failed"
                         " in_flight>unknown unknown>approved unknown>declined unknown>failed"),
    "refunds": ("failed>succeeded in_flight>failed in_flight>pending in_flight>succeeded in_flight>unknown"
                " pending>failed pending>in_flight pending>succeeded unknown>failed unknown>pending unknown>succeeded"),
    "subscriptions": ("active>canceled active>past_due active>paused active>unpaid past_due>active past_due>canceled"
                      " past_due>unpaid paused>active paused>canceled pending>active pending>canceled"
                      " pending>past_due pending>unpaid trialing>active trialing>canceled trialing>past_due"
                      " trialing>unpaid unpaid>active unpaid>canceled"),
}  # fmt: skip

REFUSE_ILLEGAL = """
    CREATE FUNCTION refuse_illegal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT (OLD.status || '>' || NEW.status) = ANY (string_to_array(TG_ARGV[0], ' ')) THEN
            RAISE EXCEPTION '% % cannot go from % to %', TG_TABLE_NAME, OLD.id, OLD.status, NEW.status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'legal_transitions';
        END IF;
        RETURN NULL;
    END $$
"""

REFUSE_UNPROVEN = """
    CREATE FUNCTION refuse_unproven_payment() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM payment_attempts
                       WHERE invoice_id = NEW.id AND status = 'approved' AND NOT surplus) THEN
            RAISE EXCEPTION 'invoice % cannot be paid: no approved attempt settles it', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'paid_by_an_attempt';
        END IF;
        RETURN NULL;
    END $$
"""

REFUSE_SHRINKING = """
    CREATE FUNCTION refuse_shrinking_refund() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'attempt %: what was given back cannot shrink from % to %', OLD.id, OLD.refunded, NEW.refunded
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunded_never_shrinks';
    END $$
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("payment_attempts", sa.Column("refunded", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("payment_attempts", sa.Column("refund_evidence_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_payment_attempts_refund_evidence_id"), "payment_attempts", "evidence", ["refund_evidence_id"], ["id"]
    )
    for name, rule in (
        ("refunded_within_amount", "refunded BETWEEN 0 AND amount"),
        ("refunded_was_approved", "refunded = 0 OR status = 'approved'"),
        ("refunded_has_evidence", "refunded = 0 OR refund_evidence_id IS NOT NULL"),
    ):
        op.create_check_constraint(op.f(f"ck_payment_attempts_{name}"), "payment_attempts", rule)
    _create_refunds()
    _create_guards()


def downgrade() -> None:
    """Take back."""
    for table in LEGAL:
        op.execute(f"DROP TRIGGER legal_transitions ON {table}")
    op.execute("DROP TRIGGER paid_by_an_attempt ON invoices")
    op.execute("DROP TRIGGER refunded_never_shrinks ON payment_attempts")
    for function in ("refuse_illegal_transition", "refuse_unproven_payment", "refuse_shrinking_refund"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_table("refunds")
    for name in ("refunded_has_evidence", "refunded_was_approved", "refunded_within_amount"):
        op.drop_constraint(op.f(f"ck_payment_attempts_{name}"), "payment_attempts")
    op.drop_constraint(op.f("fk_payment_attempts_refund_evidence_id"), "payment_attempts", type_="foreignkey")
    op.drop_column("payment_attempts", "refund_evidence_id")
    op.drop_column("payment_attempts", "refunded")


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("attempt_id", sa.String(length=40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_step_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("request_key", sa.String(length=64), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("absent_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("evidence_id", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount_positive")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_refunds_currency_code")),
        sa.CheckConstraint(
            "status IN ('failed', 'in_flight', 'pending', 'succeeded', 'unknown')", name=op.f("ck_refunds_status_known")
        ),
        sa.CheckConstraint("cause IN ('requested', 'surplus')", name=op.f("ck_refunds_cause_known")),
        sa.CheckConstraint("amount <= balance", name=op.f("ck_refunds_amount_within_balance")),
        sa.CheckConstraint(
            "status <> 'succeeded' OR evidence_id IS NOT NULL", name=op.f("ck_refunds_succeeded_has_evidence")
        ),
        sa.CheckConstraint(
            "(status IN ('pending', 'in_flight', 'unknown')) = (closed_at IS NULL)",
            name=op.f("ck_refunds_closed_has_time"),
        ),
        sa.CheckConstraint(
            "(status IN ('pending', 'in_flight', 'unknown')) = (next_step_at IS NOT NULL)",
            name=op.f("ck_refunds_open_has_next_step"),
        ),
        sa.ForeignKeyConstraint(["attempt_id"], ["payment_attempts.id"], name=op.f("fk_refunds_attempt_id")),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name=op.f("fk_refunds_evidence_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("attempt_id", "request_key", name=op.f("uq_refunds_attempt_id_request_key")),
    )
    op.create_index(op.f("ix_refunds_attempt_id"), "refunds", ["attempt_id"])
    op.create_index(
        "uq_refunds_one_open", "refunds", ["attempt_id"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index(
        "ix_refunds_steps", "refunds", ["next_step_at"], postgresql_where=sa.text("next_step_at IS NOT NULL")
    )


def _create_guards() -> None:
    for function in (REFUSE_ILLEGAL, REFUSE_UNPROVEN, REFUSE_SHRINKING):
        op.execute(function)
    for table, edges in LEGAL.items():
        op.execute(
            f"CREATE TRIGGER legal_transitions AFTER UPDATE OF status ON {table} FOR EACH ROW"
            f" WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION refuse_illegal_transition('{edges}')"
        )
    # Deferred: the invoice and the attempt that settles it are written in one transaction, in either order.
    op.execute(
        "CREATE CONSTRAINT TRIGGER paid_by_an_attempt AFTER INSERT OR UPDATE OF status ON invoices"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " WHEN (NEW.status = 'paid') EXECUTE FUNCTION refuse_unproven_payment()"
    )
    op.execute(
        "CREATE TRIGGER refunded_never_shrinks BEFORE UPDATE OF refunded ON payment_attempts FOR EACH ROW"
        " WHEN (NEW.refunded < OLD.refunded) EXECUTE FUNCTION refuse_shrinking_refund()"
    )
