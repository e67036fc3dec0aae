"""Every rule that must never break, broken on purpose by raw SQL: the schema itself must refuse."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, StatementError

from billing_worker.adapters.database.tables.billing import subscriptions
from tests.support.databases import Databases
from tests.support.sandbox import Sandbox
from tests.support.world import World

Change = Callable[..., None]


@pytest.fixture(scope="module")
def paid(databases: Databases, shared_sandbox: Sandbox) -> Iterator[World]:
    """One subscription with a paid first period; every test here rolls back what it wrote."""
    with databases.migrated() as url, World.built(url, shared_sandbox) as world:
        world.subscribe()
        world.settle()
        yield world


@pytest.fixture
def connection(paid: World) -> Iterator[Connection]:
    with paid.engine.connect() as connection:
        yield connection


def copy_of(connection: Connection, table: str, **changes: Any) -> dict[str, Any]:
    """A row like the one that is there, with some values changed."""
    row = connection.execute(text(f"SELECT * FROM {table} ORDER BY id LIMIT 1")).mappings().one()  # noqa: S608
    return dict(row) | changes


def insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)  # noqa: S608


def refused(connection: Connection, constraint: str, table: str, row: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError) as refusal:
        insert(connection, table, row)
    assert constraint in str(refusal.value.orig)


def refused_change(connection: Connection, constraint: str, statement: str) -> None:
    with pytest.raises(IntegrityError) as refusal:
        connection.execute(text(statement))
    assert constraint in str(refusal.value.orig)


def another_invoice(connection: Connection, **changes: Any) -> dict[str, Any]:
    """An invoice of the period after the first: right, unless `changes` spoil it."""
    first = copy_of(connection, "invoices")
    return (
        first
        | {
            "id": "inv_another",
            "period_index": 1,
            "period_start": first["period_end"],
            "period_end": datetime.fromisoformat("2026-03-31T00:00:00+00:00"),
            "merchant_uid": "another1",
            "status": "open",
            "closed_at": None,
        }
        | changes
    )


def another_attempt(connection: Connection, **changes: Any) -> dict[str, Any]:
    first = copy_of(connection, "payment_attempts")
    return first | {"id": "att_another", "number": 2, "imp_uid": "imp_another"} | changes


def open_attempt(connection: Connection, **changes: Any) -> dict[str, Any]:
    first = copy_of(connection, "payment_attempts")
    still_open = {"status": "in_flight", "closed_at": None, "next_look_at": first["started_at"], "imp_uid": None}
    return another_attempt(connection, **still_open | changes)


def test_a_right_invoice_and_a_right_attempt_are_taken(connection: Connection) -> None:
    insert(connection, "invoices", another_invoice(connection))
    insert(connection, "payment_attempts", open_attempt(connection))


@pytest.mark.fm("L27")
def test_a_period_of_a_subscription_has_one_invoice(connection: Connection) -> None:
    start = copy_of(connection, "invoices")["period_start"]
    row = another_invoice(connection, period_start=start)
    refused(connection, "uq_invoices_subscription_id_period_start", "invoices", row)


def test_a_period_number_of_a_subscription_has_one_invoice(connection: Connection) -> None:
    row = another_invoice(connection, period_index=0)
    refused(connection, "uq_invoices_subscription_id_period_index", "invoices", row)


@pytest.mark.fm("G8")
def test_two_invoices_never_share_a_merchant_uid(connection: Connection) -> None:
    """An invoice that names the merchant_uid of another can neither register nor charge it."""
    taken = copy_of(connection, "invoices")["merchant_uid"]
    insert(connection, "invoices", another_invoice(connection, merchant_uid=taken))
    with connection.begin_nested() as apart:
        refused(
            connection,
            "fk_payment_attempts_merchant_uid_invoice_id",
            "payment_attempts",
            open_attempt(connection, invoice_id="inv_another", merchant_uid=taken),
        )
        apart.rollback()
    row = {"merchant_uid": taken, "invoice_id": "inv_another", "generation": 1}
    refused(connection, "pk_merchant_uids", "merchant_uids", row)


def test_a_merchant_uid_that_an_invoice_once_had_is_never_given_to_another(connection: Connection) -> None:
    taken = copy_of(connection, "invoices")["merchant_uid"]
    insert(connection, "invoices", another_invoice(connection))
    row = {"merchant_uid": taken, "invoice_id": "inv_another", "generation": 1}
    refused(connection, "pk_merchant_uids", "merchant_uids", row)


@pytest.mark.parametrize("uid", ["with.dot", "with space", "é", "x" * 41, ""])
def test_a_merchant_uid_has_the_letters_that_portone_keeps_and_at_most_forty(connection: Connection, uid: str) -> None:
    invoice = copy_of(connection, "invoices")["id"]
    with pytest.raises(StatementError):
        insert(connection, "merchant_uids", {"merchant_uid": uid, "invoice_id": invoice, "generation": 9})


def test_an_attempt_cannot_use_the_merchant_uid_of_another_invoice(connection: Connection) -> None:
    insert(connection, "invoices", another_invoice(connection))
    row = open_attempt(connection, invoice_id="inv_another")
    refused(connection, "fk_payment_attempts_merchant_uid_invoice_id", "payment_attempts", row)


@pytest.mark.fm("D9")
def test_a_payment_of_the_gateway_belongs_to_one_attempt(connection: Connection) -> None:
    taken = copy_of(connection, "payment_attempts")["imp_uid"]
    row = another_attempt(connection, imp_uid=taken, surplus=True)
    refused(connection, "uq_payment_attempts_imp_uid", "payment_attempts", row)


@pytest.mark.fm("C29")
@pytest.mark.parametrize("second", ["in_flight", "unknown"])
def test_an_invoice_has_one_open_attempt(connection: Connection, second: str) -> None:
    insert(connection, "payment_attempts", open_attempt(connection))
    row = open_attempt(connection, id="att_third", number=3, status=second)
    refused(connection, "uq_payment_attempts_one_open", "payment_attempts", row)


@pytest.mark.fm("D6")
def test_an_invoice_has_one_uncompensated_payment(connection: Connection) -> None:
    refused(connection, "uq_payment_attempts_one_payment", "payment_attempts", another_attempt(connection))
    # What the constraint refuses is the second settling payment, not the knowledge of it.


def test_a_surplus_payment_is_kept_beside_the_one_that_settled(connection: Connection) -> None:
    insert(connection, "payment_attempts", another_attempt(connection, surplus=True))


@pytest.mark.parametrize("missing", ["imp_uid", "evidence_id"])
def test_an_approval_needs_its_payment_and_its_evidence(connection: Connection, missing: str) -> None:
    row = another_attempt(connection, surplus=True, **{missing: None})
    refused(connection, "ck_payment_attempts_approved_has_evidence", "payment_attempts", row)


def test_evidence_that_an_approval_cites_must_exist(connection: Connection) -> None:
    row = another_attempt(connection, surplus=True, evidence_id=999_999)
    refused(connection, "fk_payment_attempts_evidence_id", "payment_attempts", row)


@pytest.mark.parametrize("table", ["plans", "invoices", "payment_attempts"])
@pytest.mark.parametrize("amount", [0, -1])
def test_an_amount_is_positive(connection: Connection, table: str, amount: int) -> None:
    refused_change(connection, f"ck_{table}_amount_positive", f"UPDATE {table} SET amount = {amount}")  # noqa: S608


@pytest.mark.parametrize("table", ["plans", "invoices", "payment_attempts"])
@pytest.mark.parametrize("currency", ["krw", "K1W", "KR", ""])
def test_a_currency_is_three_capital_letters(connection: Connection, table: str, currency: str) -> None:
    statement = f"UPDATE {table} SET currency = '{currency}'"  # noqa: S608
    refused_change(connection, f"ck_{table}_currency_code", statement)


@pytest.mark.parametrize("table", ["billing_keys", "subscriptions", "invoices", "payment_attempts"])
def test_an_unknown_status_is_refused(connection: Connection, table: str) -> None:
    # On purpose not `unknown`, which attempts have.
    with pytest.raises(IntegrityError) as refusal:
        connection.execute(text(f"UPDATE {table} SET status = 'settling'"))  # noqa: S608
    assert f"ck_{table}_" in str(refusal.value.orig)


def test_an_inbox_unknown_status_is_refused(world: World) -> None:
    world.webhook("imp_1", "order1")
    with world.engine.connect() as connection:
        refused_change(connection, "ck_inbox_status_known", "UPDATE inbox SET status = 'settling'")


def test_a_period_runs_forward(connection: Connection) -> None:
    statement = "UPDATE invoices SET period_end = period_start"
    refused_change(connection, "ck_invoices_period_runs_forward", statement)


@pytest.mark.parametrize(
    ("constraint", "statement"),
    [
        ("ck_invoices_closed_has_time", "UPDATE invoices SET closed_at = NULL"),
        ("ck_invoices_closed_has_time", "UPDATE invoices SET status = 'open'"),
        ("ck_invoices_closed_is_not_due", "UPDATE invoices SET next_attempt_at = now()"),
        ("ck_payment_attempts_closed_has_time", "UPDATE payment_attempts SET closed_at = NULL"),
        ("ck_payment_attempts_open_is_looked_at", "UPDATE payment_attempts SET next_look_at = now()"),
        ("ck_subscriptions_canceled_has_time", "UPDATE subscriptions SET status = 'canceled'"),
        ("ck_subscriptions_canceled_has_time", "UPDATE subscriptions SET canceled_at = now()"),
        ("ck_plans_one_calendar", "UPDATE plans SET cron = '0 9 1 * *'"),
        ("ck_plans_one_calendar", "UPDATE plans SET interval_unit = NULL"),
        ("ck_plans_one_calendar", "UPDATE plans SET interval_count = 0"),
    ],
)
def test_a_half_made_state_change_is_refused(connection: Connection, constraint: str, statement: str) -> None:
    refused_change(connection, constraint, statement)


def test_a_customer_uid_is_registered_once(connection: Connection) -> None:
    row = copy_of(connection, "billing_keys", id="key_another", metadata="{}")
    refused(connection, "uq_billing_keys_customer_uid", "billing_keys", row)


def test_the_same_notification_is_one_row_with_a_count(world: World) -> None:
    first, second = world.webhook("imp_1", "order1"), world.webhook("imp_1", "order1")
    assert first == second
    assert [row["deliveries"] for row in world.rows("SELECT deliveries FROM inbox")] == [2]
    with world.engine.connect() as connection:
        row = copy_of(connection, "inbox")
        del row["id"]
        row["payload"] = "{}"
        refused(connection, "uq_inbox_source_dedupe_key", "inbox", row)


def test_one_alert_of_a_kind_and_subject_is_open_at_a_time(world: World) -> None:
    with world.engine.connect() as connection:
        row = {"kind": "unknown", "subject_id": "att_1", "detail": "", "opened_at": world.clock.now()}
        insert(connection, "alerts", row)
        refused(connection, "uq_alerts_one_open", "alerts", row)


def test_what_others_refer_to_cannot_be_deleted(paid: World) -> None:
    for table in ("plans", "billing_keys", "subscriptions", "invoices", "merchant_uids", "evidence"):
        with paid.engine.connect() as connection, pytest.raises(IntegrityError):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608


@pytest.mark.fm("H5")
def test_a_naive_time_does_not_reach_the_database(connection: Connection) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - what the test is about
    with pytest.raises(StatementError, match="naive"):
        connection.execute(subscriptions.update().values(next_period_start=naive))


def test_times_come_back_as_aware_utc(paid: World) -> None:
    with paid.engine.connect() as connection:
        connection.execute(text("SET TIME ZONE 'Asia/Seoul'"))
        (anchor,) = connection.execute(subscriptions.select().with_only_columns(subscriptions.c.anchor)).scalars()
    assert anchor == paid.clock.now()
    assert anchor.utcoffset().total_seconds() == 0


def test_every_time_column_has_a_zone_and_no_amount_is_a_float(paid: World) -> None:
    columns = paid.rows("""
        SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'""")
    types = {f"{row['table_name']}.{row['column_name']}": row["data_type"] for row in columns}
    wrong = ("timestamp without time zone", "real", "double precision", "numeric", "money")
    assert {name: kind for name, kind in types.items() if kind in wrong} == {}
    assert types["invoices.amount"] == "bigint"
