"""Totals of invoices that are kept as they change, and the place that an audit has reached.

Each statement that changes invoices adds its difference to `invoice_deltas`, in its own transaction: rows are only added
there, so no two charges wait for each other. A job folds them into `invoice_totals`. The sum of both tables is exact at
any moment. `recount_invoices` adds what is missing to that: the migration after this one begins with it, and a hand that
changed invoices with the triggers off ends with it.
"""
# ruff: noqa: S608 - the statements are made of constants

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

COUNTS = {
    "open": "(status = 'open')::int",
    "paid": "(status = 'paid')::int",
    "uncollectible": "(status = 'uncollectible')::int",
    "void": "(status = 'void')::int",
    "in_dunning": "(status = 'open' AND declines > 0)::int",
    "recovered": "(status = 'paid' AND declines > 0)::int",
    "paid_amount": "CASE WHEN status = 'paid' THEN amount ELSE 0 END",
}
"""What one invoice adds."""
FIGURES = (*COUNTS, "refunded_amount")
SUMS = ("paid_amount", "refunded_amount")

# A month is that of a zone which the reader names. All zones agree on the month of a day that is neither the first nor
# the last of its month in UTC, so these days share one slot. In the others a zone's midnight falls on a quarter of an hour.
SLOT = """
    CREATE FUNCTION invoice_slot(moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE
            WHEN extract(day FROM moment AT TIME ZONE 'UTC') = 1
              OR extract(day FROM moment AT TIME ZONE 'UTC' + interval '1 day') = 1
            THEN (date_trunc('hour', moment AT TIME ZONE 'UTC')
                  + floor(extract(minute FROM moment AT TIME ZONE 'UTC') / 15) * interval '15 minutes')
            ELSE date_trunc('month', moment AT TIME ZONE 'UTC') + interval '1 day'
        END AT TIME ZONE 'UTC'
    $$
"""

_ADDED = f"""
        INSERT INTO invoice_deltas (slot, currency, {", ".join(COUNTS)})
        SELECT invoice_slot(period_start), currency, {", ".join(f"sum(sign * {count})" for count in COUNTS.values())}
        FROM {{changed}} GROUP BY 1, 2
        HAVING {" OR ".join(f"sum(sign * {count}) <> 0" for count in COUNTS.values())};
"""

NOTE_INVOICES = f"""
    CREATE FUNCTION note_new_invoices() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {_ADDED.format(changed="(SELECT 1 AS sign, * FROM added) changed")} RETURN NULL; END $$;
    CREATE FUNCTION note_changed_invoices() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {
    _ADDED.format(changed="(SELECT 1 AS sign, * FROM after UNION ALL SELECT -1, * FROM before) changed")
} RETURN NULL; END $$
"""

NOTE_REFUNDS = """
    CREATE FUNCTION note_refunded() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE more bigint := CASE WHEN NEW.surplus THEN 0 ELSE NEW.refunded END;
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            more := more - CASE WHEN OLD.surplus THEN 0 ELSE OLD.refunded END;
        END IF;
        INSERT INTO invoice_deltas (slot, currency, refunded_amount)
        SELECT invoice_slot(period_start), currency, more FROM invoices WHERE id = NEW.invoice_id AND more <> 0;
        RETURN NULL;
    END $$
"""

# One statement, so one view of the rows: what others commit meanwhile is in none of the four parts.
RECOUNT = f"""
    CREATE FUNCTION recount_invoices() RETURNS void LANGUAGE sql AS $$
        INSERT INTO invoice_deltas (slot, currency, {", ".join(FIGURES)})
        SELECT slot, currency, {", ".join(f"sum({figure})::bigint" for figure in FIGURES)} FROM (
            SELECT invoice_slot(period_start) AS slot, currency,
                   {", ".join(f"{count} AS {name}" for name, count in COUNTS.items())}, 0::bigint AS refunded_amount
            FROM invoices
            UNION ALL
            SELECT invoice_slot(i.period_start), i.currency, {", ".join("0" for _ in COUNTS)}, a.refunded
            FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id WHERE a.refunded > 0 AND NOT a.surplus
            UNION ALL SELECT slot, currency, {", ".join(f"-{figure}" for figure in FIGURES)} FROM invoice_totals
            UNION ALL SELECT slot, currency, {", ".join(f"-{figure}" for figure in FIGURES)} FROM invoice_deltas) kept
        GROUP BY 1, 2 HAVING {" OR ".join(f"sum({figure}) <> 0" for figure in FIGURES)}
    $$
"""

TRIGGERS = (
    (
        "CREATE TRIGGER note_new AFTER INSERT ON invoices REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION note_new_invoices()"
    ),
    (
        "CREATE TRIGGER note_changed AFTER UPDATE ON invoices REFERENCING OLD TABLE AS before NEW TABLE AS after"
        " FOR EACH STATEMENT EXECUTE FUNCTION note_changed_invoices()"
    ),
    (
        "CREATE TRIGGER note_refunded AFTER UPDATE ON payment_attempts FOR EACH ROW"
        " WHEN ((OLD.refunded, OLD.surplus) IS DISTINCT FROM (NEW.refunded, NEW.surplus)) EXECUTE FUNCTION note_refunded()"
    ),
    (
        "CREATE TRIGGER note_refunded_at_once AFTER INSERT ON payment_attempts FOR EACH ROW"
        " WHEN (NEW.refunded > 0) EXECUTE FUNCTION note_refunded()"
    ),
)


def upgrade() -> None:
    """Apply. Audits that ended go on being the place from which the next one begins."""
    for name, kind in (("invoice_deltas", sa.Integer()), ("invoice_totals", sa.BigInteger())):
        op.create_table(
            name,
            sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
            sa.Column("currency", sa.String(3), nullable=False),
            *(
                sa.Column(each, sa.BigInteger() if each in SUMS else kind, nullable=False, server_default="0")
                for each in FIGURES
            ),
            *(
                [sa.PrimaryKeyConstraint("slot", "currency", name=op.f("pk_invoice_totals"))]
                if "totals" in name
                else []
            ),
        )
    for statement in (SLOT, NOTE_INVOICES, NOTE_REFUNDS, RECOUNT, *TRIGGERS):
        op.execute(statement)
    op.add_column("audits", sa.Column("reached", sa.DateTime(timezone=True), nullable=True))
    op.add_column("audits", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back: the sums are read from the invoices again."""
    op.drop_column("audits", "lease_until")
    op.drop_column("audits", "reached")
    for trigger, table in (
        ("note_refunded_at_once", "payment_attempts"),
        ("note_refunded", "payment_attempts"),
        ("note_changed", "invoices"),
        ("note_new", "invoices"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for function in ("recount_invoices", "note_refunded", "note_changed_invoices", "note_new_invoices"):
        op.execute(f"DROP FUNCTION {function}()")
    op.execute("DROP FUNCTION invoice_slot(timestamptz)")
    op.drop_table("invoice_totals")
    op.drop_table("invoice_deltas")
