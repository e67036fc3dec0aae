"""The times of calls that are no charges are counted too; a recount of outcomes leaves them as they were counted."""
# ruff: noqa: S608 - the statements are made of constants

from alembic import op

revision = "0031"
down_revision = "0030_indexes"

NOTIFICATIONS = "measure <> ''notification''"
AND_CALLS = "measure NOT IN (''notification'', ''request'')"


def _replace(old: str, new: str) -> None:
    """One condition of the function of 0030, and nothing else of it."""
    op.execute(f"""
        DO $$ BEGIN
            EXECUTE replace(pg_get_functiondef('recount_outcomes()'::regprocedure), '{old}', '{new}');
        END $$
    """)


def upgrade() -> None:
    """Apply."""
    _replace(NOTIFICATIONS, AND_CALLS)


def downgrade() -> None:
    """Take it back, with what was counted: the earlier release would take it for a mistake."""
    for table in ("hourly_deltas", "hourly_totals"):
        op.execute(f"DELETE FROM {table} WHERE measure = 'request'")
    _replace(AND_CALLS, NOTIFICATIONS)
