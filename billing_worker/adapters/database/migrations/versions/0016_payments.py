"""Single payments: invoices without a subscription and a period; the optional fields of a charge."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

PARTS = "tax_free > 0 AND vat_amount >= 0 AND coalesce(tax_free, 0) + coalesce(vat_amount, 0) <= amount"
ONE_OF_BOTH = (
    "num_nulls(subscription_id, period_index, period_end) IN (0, 3)"
    " AND num_nulls(customer, name, dunning_days) IN (0, 3)"
    " AND (subscription_id IS NULL) = (customer IS NOT NULL)"
)
SCOPES = "scope ~ '^(all|pg:.+|subscription:.+)$'"
MORE_SCOPES = "scope ~ '^(all|pg:.+|subscription:.+|invoice:.+)$'"
OF_PERIOD = ("subscription_id", "period_index", "period_end")
ORDER = "generation = 0 OR merchant_uid ~ '^[A-Za-z0-9"
SINGLE = "subscription_id IS NULL"


def upgrade() -> None:
    """Apply. No row is read: the old ones are checked by the migration after this one."""
    for table in ("plans", "invoices"):
        for name, kind in (
            ("tax_free", sa.BigInteger()),
            ("vat_amount", sa.BigInteger()),
            ("card_quota", sa.SmallInteger()),
            ("custom_data", sa.Text()),
            ("notice_url", sa.Text()),
        ):
            op.add_column(table, sa.Column(name, kind))
        op.create_check_constraint(op.f(f"ck_{table}_parts_within_amount"), table, PARTS, postgresql_not_valid=True)
    op.add_column("invoices", sa.Column("customer", sa.String(120)))
    op.add_column("invoices", sa.Column("name", sa.String(40)))
    op.add_column("invoices", sa.Column("dunning_days", sa.ARRAY(sa.SmallInteger())))
    for column in OF_PERIOD:
        op.alter_column("invoices", column, nullable=True)
    op.create_check_constraint(
        op.f("ck_invoices_of_period_or_single"), "invoices", ONE_OF_BOTH, postgresql_not_valid=True
    )
    op.drop_constraint(op.f("ck_stops_scope_known"), "stops", type_="check")
    op.create_check_constraint(op.f("ck_stops_scope_known"), "stops", MORE_SCOPES)
    op.drop_constraint(op.f("ck_merchant_uids_alphanumeric"), "merchant_uids", type_="check")
    op.create_check_constraint(
        op.f("ck_merchant_uids_order_number"), "merchant_uids", f"{ORDER}_-]{{1,40}}$'", postgresql_not_valid=True
    )


def downgrade() -> None:
    """Take it back. Raises where single payments are stored: an older release cannot charge or refund them."""
    left = op.get_bind().execute(sa.text(f"SELECT count(*) FROM invoices WHERE {SINGLE}")).scalar_one()  # noqa: S608 - a constant
    if left:
        raise RuntimeError(f"{left} single payments are stored, which the release before this one does not know")
    op.execute("DELETE FROM stops WHERE scope LIKE 'invoice:%'")
    op.drop_constraint(op.f("ck_merchant_uids_order_number"), "merchant_uids", type_="check")
    op.create_check_constraint(op.f("ck_merchant_uids_alphanumeric"), "merchant_uids", f"{ORDER}]{{1,40}}$'")
    op.drop_constraint(op.f("ck_stops_scope_known"), "stops", type_="check")
    op.create_check_constraint(op.f("ck_stops_scope_known"), "stops", SCOPES)
    op.drop_constraint(op.f("ck_invoices_of_period_or_single"), "invoices", type_="check")
    for column in OF_PERIOD:
        op.alter_column("invoices", column, nullable=False)
    for column in ("customer", "name", "dunning_days"):
        op.drop_column("invoices", column)
    for table in ("plans", "invoices"):
        op.drop_constraint(op.f(f"ck_{table}_parts_within_amount"), table, type_="check")
        for column in ("tax_free", "vat_amount", "card_quota", "custom_data", "notice_url"):
            op.drop_column(table, column)
