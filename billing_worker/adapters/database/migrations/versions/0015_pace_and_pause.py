"""The watch of the gateway, the span of service, and the turns of PGs that limit their calls."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014_indexes"

CAUSES = "'breach', 'budget', 'environment', 'issue', 'person'"
MORE_CAUSES = "'breach', 'budget', 'environment', 'gateway', 'issue', 'person'"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "gateway_watch",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("in_a_row", sa.SmallInteger(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "trouble IN ('no_answer', 'not_reached', 'server_error', 'unauthorized')",
            name=op.f("ck_gateway_watch_trouble_known"),
        ),
        sa.CheckConstraint(
            "(trouble IS NULL) = (in_a_row = 0) AND (trouble IS NULL) = (noted_at IS NULL)",
            name=op.f("ck_gateway_watch_row_has_trouble"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_watch")),
    )
    op.create_table(
        "service_spans",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("since <= seen_at", name=op.f("ck_service_spans_runs_forward")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_spans")),
    )
    op.create_table(
        "pg_turns",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("next_call_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pg_turns")),
    )
    op.drop_constraint(op.f("ck_stops_cause_known"), "stops", type_="check")
    op.create_check_constraint(op.f("ck_stops_cause_known"), "stops", f"cause IN ({MORE_CAUSES})")


def downgrade() -> None:
    """Take it back: a pause for the gateway ends, and the attempts under way are resolved as always."""
    op.execute("DELETE FROM alerts WHERE kind = 'stopped' AND facts ->> 'case' = 'gateway'")
    op.execute("DELETE FROM stops WHERE cause = 'gateway'")
    op.drop_constraint(op.f("ck_stops_cause_known"), "stops", type_="check")
    op.create_check_constraint(op.f("ck_stops_cause_known"), "stops", f"cause IN ({CAUSES})")
    op.drop_table("pg_turns")
    op.drop_table("service_spans")
    op.drop_table("gateway_watch")
