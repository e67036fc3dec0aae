"""The first count of all outcomes, while others charge."""

from alembic import op

from billing_worker.adapters.database import online

revision = "0030_indexes"
down_revision = "0030"


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE payment_attempts VALIDATE CONSTRAINT ck_payment_attempts_try_kind_known")
    online.print_line("counting all outcomes once")
    op.execute("SELECT recount_outcomes()")


def downgrade() -> None:
    """Nothing to take back: the tables go with their own migration."""
