"""Hourly totals of outcomes and of times, kept as they change, and what they need of each attempt.

Each statement that changes the outcome of attempts, or applies notifications, adds what it changed to `hourly_deltas`, in
its own transaction: rows are only added there, so no two charges wait for each other. A job folds them into
`hourly_totals`, twice: into their hour, and into the hour `epoch`, which has all of them. The sum of that hour and
the deltas is exact at any moment.
"""
# ruff: noqa: S608 - the statements are made of constants

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029_indexes"

BOUNDS_MS = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 86_400_000)
KEY = ("hour", "measure", "subject", "kind", "outcome", "bucket")
NAMES = ", ".join((*KEY, "counted", "total_ms"))

BUCKET = f"width_bucket({{ms}} - 1, ARRAY[{', '.join(map(str, BOUNDS_MS))}]::bigint[])"
"""The bucket of so many milliseconds. A bound belongs to its bucket, as Prometheus has it."""
MS = "greatest(0, 1000 * (date_part('epoch', {until}) - date_part('epoch', {since})))::bigint"

KIND = (
    "CASE WHEN a.found THEN 'found' ELSE coalesce(a.try_kind, CASE a.number WHEN 1 THEN 'first' ELSE 'retry' END) END"
)
HOUR = "date_bin('1 hour', coalesce(a.closed_at, a.started_at), 'epoch')"
WAITED = f"""CASE WHEN {{counts}} AND a.due_at IS NOT NULL AND NOT a.found AND NOT a.scheduled
                     THEN {MS.format(since="a.due_at", until="a.started_at")} END"""
"""A payment that the gateway showed first, or that PortOne's schedule makes, waited for no worker."""

CHANGED = f"""
            SELECT {HOUR} AS hour, k.pg_provider::text AS pg, {KIND} AS kind, a.status,
                   b.status <> a.status AND a.status <> 'in_flight' AS is_outcome,
                   CASE WHEN b.took_ms IS NULL THEN a.took_ms END AS took,
                   {WAITED.format(counts="b.status = 'in_flight' AND a.status <> 'in_flight'")} AS waited
            FROM after a JOIN before b ON b.id = a.id JOIN billing_keys k ON k.id = a.billing_key_id
            WHERE b.status <> a.status OR b.took_ms IS DISTINCT FROM a.took_ms"""
STANDING = f"""
            SELECT {HOUR} AS hour, k.pg_provider::text AS pg, {KIND} AS kind, a.status,
                   a.closed_at IS NOT NULL AS is_outcome, a.took_ms AS took,
                   {WAITED.format(counts="a.status <> 'in_flight'")} AS waited
            FROM payment_attempts a JOIN billing_keys k ON k.id = a.billing_key_id"""
COUNTS = f"""
        SELECT hour, 'charge' AS measure, pg AS subject, kind, status AS outcome, -1 AS bucket,
               count(*) AS counted, 0 AS total_ms
        FROM changed WHERE is_outcome GROUP BY hour, pg, kind, status
        UNION ALL
        SELECT 'epoch', 'call', pg, '', '', {BUCKET.format(ms="took")}, count(*), sum(took)
        FROM changed WHERE took IS NOT NULL GROUP BY 3, 6
        UNION ALL
        SELECT 'epoch', 'wait', pg, '', '', {BUCKET.format(ms="waited")}, count(*), sum(waited)
        FROM changed WHERE waited IS NOT NULL GROUP BY 3, 6"""

NOTE_ATTEMPTS = f"""
    CREATE FUNCTION note_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO hourly_deltas ({NAMES})
        WITH changed AS MATERIALIZED ({CHANGED}) {COUNTS};
        RETURN NULL;
    END $$
"""

NOTE_NOTIFICATIONS = f"""
    CREATE FUNCTION note_applied() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO hourly_deltas ({NAMES})
        SELECT 'epoch', 'notification', source, '', '', {BUCKET.format(ms="ms")}, count(*), sum(ms)
        FROM (SELECT a.source, {MS.format(since="coalesce(a.waiting_since, a.received_at)", until="a.closed_at")} AS ms
              FROM after a JOIN before b ON b.id = a.id
              WHERE a.status = 'applied' AND b.status = 'received') applied
        GROUP BY 3, 6;
        RETURN NULL;
    END $$
"""

# One statement, so one view of the rows. Of the last nine days each hour is made right, of earlier ones their sum. An
# outcome that was unclear at first leaves no trace in the rows, and a notification is deleted: both stay as counted.
RECOUNT = f"""
    CREATE FUNCTION recount_outcomes() RETURNS void LANGUAGE sql AS $$
        INSERT INTO hourly_deltas ({NAMES})
        WITH since AS (SELECT date_trunc('hour', max(closed_at), 'UTC') - interval '9 days' AS hour FROM payment_attempts),
        changed AS MATERIALIZED ({STANDING}),
        counts AS ({COUNTS}),
        kept AS (
            SELECT t.* FROM hourly_totals t WHERE t.hour = 'epoch'
            UNION ALL
            SELECT 'epoch', measure, subject, kind, outcome, bucket, -counted, -total_ms
            FROM hourly_totals t, since WHERE t.hour >= since.hour AND t.hour > 'epoch'
            UNION ALL
            SELECT t.* FROM hourly_totals t, since WHERE t.hour >= since.hour AND t.hour > 'epoch'
            UNION ALL
            SELECT CASE WHEN d.hour >= since.hour THEN d.hour ELSE 'epoch' END,
                   measure, subject, kind, outcome, bucket, counted, total_ms
            FROM hourly_deltas d, since)
        SELECT {", ".join(KEY)}, sum(counted), sum(total_ms) FROM (
            SELECT CASE WHEN c.hour >= since.hour THEN c.hour ELSE 'epoch' END AS hour,
                   measure, subject, kind, outcome, bucket, counted, total_ms
            FROM counts c, since
            UNION ALL
            SELECT {", ".join(KEY)}, -counted, -total_ms FROM kept
            WHERE outcome <> 'unknown' AND measure <> 'notification') missing
        GROUP BY {", ".join(KEY)} HAVING sum(counted) <> 0 OR sum(total_ms) <> 0
    $$
"""

TRIGGERS = {
    "note_outcomes": "payment_attempts",
    "note_applied": "inbox",
}


def upgrade() -> None:
    """Apply. Attempts before this release say neither why they were begun nor how long they took."""
    op.add_column("payment_attempts", sa.Column("try_kind", sa.Text(), nullable=True))
    op.add_column("payment_attempts", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payment_attempts", sa.Column("took_ms", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_payment_attempts_try_kind_known"),
        "payment_attempts",
        "try_kind IN ('by_hand', 'first', 'retry')",
        postgresql_not_valid=True,
    )
    for name, count in (("hourly_deltas", sa.Integer()), ("hourly_totals", sa.BigInteger())):
        op.create_table(
            name,
            sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
            *(sa.Column(each, sa.Text(), nullable=False) for each in ("measure", "subject", "kind", "outcome")),
            sa.Column("bucket", sa.SmallInteger(), nullable=False),
            sa.Column("counted", count, nullable=False),
            sa.Column("total_ms", sa.BigInteger(), nullable=False),
            *([sa.PrimaryKeyConstraint(*KEY, name=op.f("pk_hourly_totals"))] if "totals" in name else []),
        )
    for statement in (NOTE_ATTEMPTS, NOTE_NOTIFICATIONS, RECOUNT):
        op.execute(statement)
    for trigger, table in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {trigger} AFTER UPDATE ON {table} REFERENCING OLD TABLE AS before NEW TABLE AS after"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {trigger}()"
        )


def downgrade() -> None:
    """Take it back."""
    for trigger, table in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
        op.execute(f"DROP FUNCTION {trigger}()")
    op.execute("DROP FUNCTION recount_outcomes()")
    op.drop_table("hourly_totals")
    op.drop_table("hourly_deltas")
    op.drop_constraint(op.f("ck_payment_attempts_try_kind_known"), "payment_attempts")
    for column in ("took_ms", "due_at", "try_kind"):
        op.drop_column("payment_attempts", column)
