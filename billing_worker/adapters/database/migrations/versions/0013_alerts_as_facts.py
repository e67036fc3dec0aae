"""An alert keeps what it says as facts; the sentence is made when it is shown.

Alerts of earlier releases keep their sentences. Where an alert is not told twice, it gets its facts as well, so that
what an operator has seen is not told again by this release.
"""
# ruff: noqa: S608 - the statements are made of constants

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012_indexes"

MISSING = r"^attempt \S+ of invoice (\S+) is approved by (\S+); since (\S+ \S+ UTC) "

TOLD_ONCE: tuple[tuple[str, str | None, str, tuple[str, ...]], ...] = (
    (
        "unasked_payment",
        None,
        r"^payment (\S+) over (.+) was taken under our order (\S+); this worker had not asked for it\. It pays invoice (\S+)$",
        ("payment", "money", "order", "invoice"),
    ),
    (
        "orphan_payment",
        None,
        r"^(.+) were taken under (\S+): period (\d+) of subscription (\S+), of which this database knows nothing$",
        ("money", "order", "period", "subscription"),
    ),
    (
        "foreign_payment",
        None,
        r"^(.+) of one of our customers' cards were taken under order (.*)$",
        ("money", "order"),
    ),
    (
        "issued_twice",
        None,
        r"^payment \S+ over (.+) issued key (\S+) as well as payment (\S+) did$",
        ("money", "key", "first"),
    ),
    ("unreadable_payment", None, r"^(\S*): (.*)$", ("order", "problem")),
    (
        "twin_subscription",
        None,
        r"^subscription \S+ is on plan (\S+) for the same customer as (\S+), and both begin to be charged within a day$",
        ("plan", "earlier"),
    ),
    ("mismatch", None, r"^(.*)$", ("reason",)),
    ("phantom_payment", "missing", MISSING + "the gateway shows no such payment$", ("invoice", "payment", "since")),
    (
        "phantom_payment",
        "differs",
        MISSING + r"the gateway has it as (\S+) under (.*)$",
        ("invoice", "payment", "since", "status", "order"),
    ),
)
"""The kind, its case, the sentence of earlier releases, and the facts in it."""
NUMBERS = {"period"}


def upgrade() -> None:
    """Apply."""
    op.add_column("alerts", sa.Column("facts", JSONB(), nullable=True))
    op.alter_column("alerts", "detail", nullable=True)
    op.create_check_constraint(op.f("ck_alerts_says_something"), "alerts", "detail IS NOT NULL OR facts IS NOT NULL")
    for kind, case, sentence, names in TOLD_ONCE:
        parts = [
            f"'{name}', found[{place}]" + ("::bigint" if name in NUMBERS else "")
            for place, name in enumerate(names, start=1)
        ]
        parts += [f"'case', '{case}'"] if case is not None else []
        op.execute(
            sa.text(
                f"UPDATE alerts SET facts = jsonb_build_object({', '.join(parts)})"
                " FROM (SELECT id, regexp_match(detail, :sentence) AS found FROM alerts WHERE kind = :kind) AS seen"
                " WHERE seen.id = alerts.id AND found IS NOT NULL"
            ).bindparams(sentence=sentence, kind=kind)
        )


def downgrade() -> None:
    """Take it back: an alert that has facts only says them as they are."""
    op.execute("UPDATE alerts SET detail = facts::text WHERE detail IS NULL")
    op.drop_constraint(op.f("ck_alerts_says_something"), "alerts")
    op.alter_column("alerts", "detail", nullable=False)
    op.drop_column("alerts", "facts")
