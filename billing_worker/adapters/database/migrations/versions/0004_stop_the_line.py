"""Stops, the claim of an environment, and audits: see docs/decisions/ for why they are here."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

IDENTITY = """
CREATE FUNCTION database_identity() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    system text := '?';
    timeline text := '?';
BEGIN
    -- A managed server may refuse either; then that part cannot tell two databases apart.
    FOR try IN 1..20 LOOP
        BEGIN
            SELECT system_identifier::text INTO system FROM pg_control_system();
            EXIT;
        EXCEPTION
            WHEN insufficient_privilege THEN EXIT;
            -- The control file is read without a lock: while the server writes it, its checksum may not fit.
            WHEN OTHERS THEN
                IF try = 20 THEN RAISE; END IF;
                PERFORM pg_sleep(0.005);
        END;
    END LOOP;
    BEGIN
        timeline := substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
    EXCEPTION WHEN insufficient_privilege THEN timeline := '?';
    END;
    RETURN system || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || timeline;
END $$
"""


def upgrade() -> None:
    """Apply."""
    op.execute(IDENTITY)
    op.create_table(
        "stops",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("subjects", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("cause IN ('breach', 'budget', 'environment', 'person')", name=op.f("ck_stops_cause_known")),
        sa.CheckConstraint("(closed_at IS NULL) = (note IS NULL)", name=op.f("ck_stops_closed_has_note")),
        sa.CheckConstraint("scope ~ '^(all|pg:.+|subscription:.+)$'", name=op.f("ck_stops_scope_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stops")),
    )
    op.create_index(
        "uq_stops_one_open", "stops", ["scope", "cause"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_table(
        "environment_claims",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("database", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environment_claims")),
    )
    op.create_table(
        "audits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked", sa.BigInteger(), nullable=True),
        sa.Column("breaches", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audits")),
    )
    op.create_index("ix_audits_began_at", "audits", ["began_at"], unique=False)
    op.add_column("payment_attempts", sa.Column("found", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take back."""
    op.drop_column("payment_attempts", "found")
    op.drop_table("audits")
    op.drop_table("environment_claims")
    op.drop_table("stops")
    op.execute("DROP FUNCTION database_identity()")
