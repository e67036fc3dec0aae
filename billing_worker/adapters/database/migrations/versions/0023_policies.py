"""Dunning policies: named, in versions, and kept by each invoice; the declines of each card."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023"
down_revision = "0022_indexes"

DEFAULT = (1, 3, 5, 7)
LONGEST_DAYS = 180
FAILURES = ("10m", "30m", "1h", "3h", "6h", "12h")
WINDOW_DAYS, MOST_TRIES = 30, 20

OF_PERIOD_OR_SINGLE = (
    "num_nulls(subscription_id, period_index, period_end) IN (0, 3) AND num_nulls(customer, name) IN (0, 2)"
    " AND (subscription_id IS NULL) = (customer IS NOT NULL)"
)
RULES = (
    ("only_unpaid_is_won_back", "win_back_at IS NULL OR status IN ('open', 'uncollectible')"),
    ("of_period_or_single", OF_PERIOD_OR_SINGLE),
)
EARLIER = (
    "num_nulls(subscription_id, period_index, period_end) IN (0, 3) AND num_nulls(customer, name, dunning_days) IN (0, 3)"
    " AND (subscription_id IS NULL) = (customer IS NOT NULL)"
)


EDGES = (
    "active>canceled active>past_due active>paused active>unpaid past_due>active past_due>canceled past_due>unpaid"
    " paused>active paused>canceled pending>active pending>canceled pending>past_due pending>unpaid trialing>active"
    " trialing>canceled trialing>past_due trialing>unpaid unpaid>active unpaid>canceled"
)


def _guard(edges: str) -> None:
    op.execute("DROP TRIGGER legal_transitions ON subscriptions")
    op.execute(
        "CREATE TRIGGER legal_transitions AFTER UPDATE OF status ON subscriptions FOR EACH ROW"
        f" WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION refuse_illegal_transition('{edges}')"
    )


def upgrade() -> None:
    """Apply. The days of plans and payments become policies; days beyond half a year are left out."""
    op.create_table(
        "dunning_policies",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "version > 0 AND id = name || '@' || version", name=op.f("ck_dunning_policies_id_is_name_and_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dunning_policies")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_dunning_policies_name_version")),
    )
    op.add_column("plans", sa.Column("dunning_policy", sa.String(length=64), nullable=True))
    op.add_column("subscriptions", sa.Column("dunning_policy", sa.String(length=64), nullable=True))
    op.add_column("subscriptions", sa.Column("anchor_index", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("subscriptions", sa.Column("paid_hour", sa.SmallInteger(), nullable=True))
    times = sa.ARRAY(sa.DateTime(timezone=True))
    op.add_column("billing_keys", sa.Column("declined_at", times, server_default=sa.text("'{}'"), nullable=False))
    # With a default that most invoices have, the table is not written once more.
    name = sa.Column("dunning_policy", sa.String(length=80), server_default=f"{_name(DEFAULT)}@1", nullable=False)
    op.add_column("invoices", name)
    op.add_column("invoices", sa.Column("win_back_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("invoices", sa.Column("won_back", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    _name_policies()
    op.alter_column("plans", "dunning_policy", nullable=False)
    op.alter_column("invoices", "dunning_policy", server_default=None)
    op.create_foreign_key(
        op.f("fk_invoices_dunning_policy"),
        *("invoices", "dunning_policies", ["dunning_policy"], ["id"]),
        postgresql_not_valid=True,
    )
    op.drop_constraint(op.f("ck_invoices_of_period_or_single"), "invoices")
    for name_, rule in RULES:
        op.create_check_constraint(op.f(f"ck_invoices_{name_}"), "invoices", rule, postgresql_not_valid=True)
    op.drop_column("plans", "dunning_days")
    op.drop_column("invoices", "dunning_days")
    _guard(f"{EDGES} unpaid>past_due")


def _name_policies() -> None:
    run = op.get_bind().execute
    found = run(
        sa.text("SELECT dunning_days FROM plans UNION SELECT dunning_days FROM invoices WHERE subscription_id IS NULL")
    ).scalars()
    stored = {_kept(days) for days in found}
    for days in sorted(stored):
        values = {"id": f"{_name(days)}@1", "name": _name(days), "definition": json.dumps(_definition(days))}
        run(
            sa.text(
                "INSERT INTO dunning_policies (id, name, version, definition, created_at)"
                " VALUES (:id, :name, 1, CAST(:definition AS jsonb), now())"
            ),
            values,
        )
    for days in {tuple(row) for row in run(sa.text("SELECT DISTINCT dunning_days FROM plans")).scalars()}:
        policy = {"days": list(days), "name": _name(_kept(days)), "id": f"{_name(_kept(days))}@1"}
        run(sa.text("UPDATE plans SET dunning_policy = :name WHERE dunning_days = CAST(:days AS smallint[])"), policy)
        if _kept(days) == DEFAULT:
            continue
        run(
            sa.text(
                "UPDATE invoices SET dunning_policy = :id FROM subscriptions s JOIN plans p ON p.id = s.plan_id"
                " WHERE s.id = invoices.subscription_id AND p.dunning_days = CAST(:days AS smallint[])"
            ),
            policy,
        )
    singles = run(sa.text("SELECT DISTINCT dunning_days FROM invoices WHERE subscription_id IS NULL")).scalars()
    for days in [tuple(row) for row in singles]:
        run(
            sa.text(
                "UPDATE invoices SET dunning_policy = :id"
                " WHERE subscription_id IS NULL AND dunning_days = CAST(:days AS smallint[])"
            ),
            {"id": f"{_name(_kept(days))}@1", "days": list(days)},
        )


def _kept(days: Sequence[int]) -> tuple[int, ...]:
    return tuple(wait for number, wait in enumerate(days) if sum(days[: number + 1]) <= LONGEST_DAYS)


def _name(days: Sequence[int]) -> str:
    return "-".join(["days", *map(str, days)]) if days else "none"


def _definition(days: Sequence[int]) -> dict[str, object]:
    """As the release reads it: failures as many as leave room below the card networks' caps."""
    tries = [sum(days[:number]) for number in range(len(days) + 1)]
    most = max(sum(first <= other < first + WINDOW_DAYS for other in tries) for first in tries)
    return {
        "steps": [f"{wait}d" for wait in days],
        "by_category": {},
        "failures": list(FAILURES[: max(MOST_TRIES - most, 0)]),
        "quiet": None,
        "business_days": False,
        "paid_hour": False,
        "jitter": None,
        "final": "unpaid",
        "win_back": None,
        "new_key": "collect",
        "moves_date": False,
    }


def downgrade() -> None:
    """Take it back. Raises where a policy is more than plain days, or dates were moved: both would be lost."""
    run = op.get_bind().execute
    other = run(
        sa.text("SELECT id FROM dunning_policies WHERE name <> 'none' AND name !~ '^days(-[0-9]+)+$' LIMIT 1")
    ).scalar_one_or_none()
    if other is not None:
        raise RuntimeError(f"dunning policy {other} is more than days: an older release cannot keep it")
    if run(sa.text("SELECT id FROM subscriptions WHERE anchor_index <> 0 LIMIT 1")).scalar_one_or_none() is not None:
        raise RuntimeError(
            "a payment after dunning moved the dates of a subscription: an older release would lose them"
        )
    array = "string_to_array(NULLIF(regexp_replace({}, '^(none|days)-?(.*?)(@1)?$', '\\2'), ''), '-')::smallint[]"
    _guard(EDGES)
    op.add_column("plans", sa.Column("dunning_days", sa.ARRAY(sa.SmallInteger()), nullable=True))
    op.add_column("invoices", sa.Column("dunning_days", sa.ARRAY(sa.SmallInteger()), nullable=True))
    op.execute(f"UPDATE plans SET dunning_days = coalesce({array.format('dunning_policy')}, '{{}}')")  # noqa: S608 - ours
    op.execute(
        f"UPDATE invoices SET dunning_days = coalesce({array.format('dunning_policy')}, '{{}}')"  # noqa: S608 - ours
        " WHERE subscription_id IS NULL"
    )
    op.alter_column("plans", "dunning_days", nullable=False)
    for name, _ in RULES:
        op.drop_constraint(op.f(f"ck_invoices_{name}"), "invoices")
    op.create_check_constraint(op.f("ck_invoices_of_period_or_single"), "invoices", EARLIER)
    for name in ("dunning_policy", "win_back_at", "won_back"):
        op.drop_column("invoices", name)
    op.drop_column("billing_keys", "declined_at")
    for name in ("dunning_policy", "anchor_index", "paid_hour"):
        op.drop_column("subscriptions", name)
    op.drop_column("plans", "dunning_policy")
    op.drop_table("dunning_policies")
