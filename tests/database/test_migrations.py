"""Migrations: from nothing, again, at the same time, and back."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from billing_worker.adapters.database import migrations
from billing_worker.adapters.database.alerts import SqlAlerts
from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.found import EARLIER_MIGRATIONS, NEWEST_MIGRATION, VERSION_TABLE
from billing_worker.adapters.database.readiness import check_ready, migration_of
from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.adapters.database.upgrade import upgrade
from billing_worker.adapters.ids import RandomIds
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.dunning.definition import read_policy
from billing_worker.domain.dunning.version import named_days
from billing_worker.domain.errors import SettingsInvalid, Unavailable
from billing_worker.domain.moment import Moment
from billing_worker.domain.stop import ALL, StopCause
from billing_worker.usecases.control.stop_charging import open_stop
from billing_worker.usecases.key import confirm
from tests.support.sandbox import Sandbox
from tests.support.world import World

MIGRATIONS = migrations.__path__[0]
UPGRADE = """
import sys
from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.upgrade import upgrade
engine = open_engine(sys.argv[1], pool_size=1, application="upgrade")
sys.stdin.readline()
upgrade(engine)
"""


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = open_engine(empty_database_url, pool_size=3, application="test")
    yield made
    made.dispose()


def tables_of(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {VERSION_TABLE}


def test_an_empty_database_is_brought_up_to_this_release(engine: Engine) -> None:
    upgrade(engine)
    assert migration_of(engine) == NEWEST_MIGRATION
    assert tables_of(engine) == set(metadata.tables)
    check_ready(engine)


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    with engine.begin() as connection:
        row = {"kind": "k", "subject_id": "s", "detail": "d"}
        connection.execute(text("INSERT INTO alerts VALUES (DEFAULT, :kind, :subject_id, :detail, now())"), row)
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alerts")).scalar_one() == 1


def test_two_processes_may_upgrade_at_the_same_moment(empty_database_url: str, engine: Engine) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, empty_database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda process: process.communicate("go\n", timeout=200), processes))
    assert [process.returncode for process in processes] == [0, 0], ends
    check_ready(engine)
    assert tables_of(engine) == set(metadata.tables)


def test_the_migrated_schema_is_the_one_that_the_code_describes(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert differences == []


def test_the_checks_in_the_migrated_schema_are_those_that_the_code_describes(engine: Engine, databases) -> None:
    """Alembic compares no CHECK constraints and no partial-index conditions, so PostgreSQL prints both."""
    upgrade(engine)
    with databases.empty() as url:
        described = open_engine(url, pool_size=1, application="test")
        try:
            metadata.create_all(described)
            wanted = rules_of(described)
        finally:
            described.dispose()
    assert rules_of(engine) == wanted


def rules_of(engine: Engine) -> set[tuple[str, str]]:
    with engine.connect() as connection:
        checks = connection.execute(
            text("""
            SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
              AND contype <> 't' AND conrelid::regclass::text <> :versions"""),
            {"versions": VERSION_TABLE},
        )
        indexes = connection.execute(
            text("""
            SELECT indexname, indexdef FROM pg_indexes
            WHERE schemaname = 'public' AND tablename <> :versions"""),
            {"versions": VERSION_TABLE},
        )
        return {tuple(row) for row in checks} | {tuple(row) for row in indexes}


def to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def test_paymentwall_keys_in_use_are_confirmed_again_by_an_update_and_all_others_are_left_alone(
    empty_database_url: str, engine: Engine, shared_sandbox: Sandbox
) -> None:
    """What issued them was not kept before; nothing may be charged by them until it was read."""
    script = ScriptDirectory(MIGRATIONS)
    before = script.get_revision("0009").down_revision
    assert isinstance(before, str)
    to(engine, before)
    with World.built(empty_database_url, shared_sandbox) as world:
        uid, _, issued = world.paymentwall_key(registered=False)
        world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
        keys = [
            ("key_worked", uid, "paymentwall", "active", None),
            ("key_new", f"{uid}new", "paymentwall", "pending", world.clock.now() + timedelta(hours=1)),
            ("key_dead", f"{uid}dead", "paymentwall", "invalid", None),
            ("key_other", f"{uid}other", "nice_v2", "active", None),
        ]
        with engine.begin() as connection:
            for ident, customer_uid, pg, status, look in keys:
                connection.execute(
                    text("""
                    INSERT INTO billing_keys (id, customer_uid, pg_provider, status, buyer_name, buyer_email,
                                              created_at, activated_at, looks, next_look_at)
                    VALUES (:id, :uid, :pg, :status, 'Gildong Hong', 'gildong@example.com',
                            :now, CASE WHEN :status <> 'pending' THEN CAST(:now AS timestamptz) END, 7, :look)"""),
                    {"id": ident, "uid": customer_uid, "pg": pg, "status": status, "look": look}
                    | {"now": world.clock.now()},
                )
        upgrade(engine)
        check_ready(engine)
        shown = (
            "SELECT status, issue_claim, looks, next_look_at <= now() AS is_looked_at FROM billing_keys WHERE id = :id"
        )
        after = {ident: tuple(world.rows(shown, id=ident)[0].values()) for ident, *_ in keys}
        later = world.rows("SELECT next_look_at FROM billing_keys WHERE id = 'key_new'")[0]["next_look_at"]
        assert later == world.clock.now() + timedelta(hours=1)
        assert after == {
            "key_worked": ("pending", "none", 0, True),
            "key_new": ("pending", "open", 7, True),
            "key_dead": ("invalid", "none", 7, None),
            "key_other": ("active", "none", 7, None),
        }
        with pytest.raises(IntegrityError, match="cannot go from active to pending"), engine.begin() as connection:
            connection.execute(text("UPDATE billing_keys SET status = 'pending' WHERE id = 'key_other'"))

        assert confirm.confirm(world.ports, "key_worked")
        with world.ports.database.transaction() as uow:
            key = uow.keys.get("key_worked")
        assert key.issue is not None
        assert (key.status, key.issue.imp_uid, key.issue_claim) == ("active", issued["imp_uid"], "none")
        assert world.events() == [], "for the merchant nothing changed"


def test_the_days_of_plans_and_payments_become_policies_that_their_invoices_keep(engine: Engine) -> None:
    to(engine, "0022_indexes")
    with engine.begin() as connection:
        for number, days in enumerate(("{1,3,5,7}", "{}", "{60,60,60,60}"), start=1):
            connection.execute(text(OLD_PLAN), {"id": f"plan_{number}", "days": days})
        connection.execute(text(OLD_KEY))
        for number in (1, 2, 3):
            connection.execute(text(OLD_SUBSCRIPTION), {"id": f"sub_{number}", "plan": f"plan_{number}"})
            connection.execute(text(OLD_INVOICE), {"id": f"inv_{number}", "subscription": f"sub_{number}"})
        connection.execute(text(OLD_PAYMENT), {"id": "inv_4", "days": "{2,2}"})
    to(engine, "head")
    with engine.begin() as connection:
        plans = {row.id: row.dunning_policy for row in connection.execute(text("SELECT * FROM plans"))}
        invoices = {row.id: row.dunning_policy for row in connection.execute(text("SELECT * FROM invoices"))}
        stored = {row.id: row.definition for row in connection.execute(text("SELECT * FROM dunning_policies"))}
    # Sixty days four times would last longer than a policy may.
    assert plans == {"plan_1": "days-1-3-5-7", "plan_2": "none", "plan_3": "days-60-60-60"}
    assert invoices == {
        "inv_1": "days-1-3-5-7@1",
        "inv_2": "none@1",
        "inv_3": "days-60-60-60@1",
        "inv_4": "days-2-2@1",
    }
    waits = {"days-1-3-5-7@1": (1, 3, 5, 7), "days-2-2@1": (2, 2), "days-60-60-60@1": (60, 60, 60), "none@1": ()}
    assert {ident: read_policy(definition) for ident, definition in stored.items()} == {
        ident: named_days("dunning_days", days)[1] for ident, days in waits.items()
    }
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0022_indexes")
        connection.commit()
        plans_of_old = connection.execute(text("SELECT dunning_days FROM plans ORDER BY id")).scalars().all()
        single = connection.execute(text("SELECT dunning_days FROM invoices WHERE id = 'inv_4'")).scalar_one()
    assert plans_of_old == [[1, 3, 5, 7], [], [60, 60, 60]]
    assert single == [2, 2]


OLD_PLAN = """
    INSERT INTO plans (id, name, amount, currency, interval_unit, interval_count, timezone, dunning_days, created_at,
                       catch_up_mode, catch_up_max_age)
    VALUES (:id, 'Basic', 100, 'KRW', 'month', 1, 'Asia/Seoul', CAST(:days AS smallint[]), now(), 'bill_all', 90)"""
OLD_KEY = """
    INSERT INTO billing_keys (id, customer_uid, pg_provider, status, created_at, looks)
    VALUES ('key_1', 'card-1', 'nice_v2', 'active', now(), 0)"""
OLD_SUBSCRIPTION = """
    INSERT INTO subscriptions (id, plan_id, billing_key_id, customer, status, anchor, next_period_index,
                               next_period_start, created_at, cancel_at_period_end)
    VALUES (:id, :plan, 'key_1', :id, 'pending', now(), 1, now() + interval '1 month', now(), false)"""
OLD_INVOICE = """
    INSERT INTO invoices (id, subscription_id, billing_key_id, period_index, period_start, period_end, amount, currency,
                          status, merchant_uid, generation, created_at, attempts, declines, failures, fence, awaits_key)
    VALUES (:id, :subscription, 'key_1', 0, now(), now() + interval '1 month', 100, 'KRW', 'open', :id, 1, now(), 0, 0,
            0, 0, false)"""
OLD_PAYMENT = """
    INSERT INTO invoices (id, billing_key_id, period_start, amount, currency, status, merchant_uid, generation,
                          created_at, attempts, declines, failures, fence, awaits_key, customer, name, dunning_days)
    VALUES (:id, 'key_1', now(), 100, 'KRW', 'open', :id, 1, now(), 0, 0, 0, 0, false, 'user-1', 'Once',
            CAST(:days AS smallint[]))"""


def test_payments_that_were_told_as_missing_are_looked_for_again_after_an_update(engine: Engine) -> None:
    """Their alerts never closed; with a doubt beside them they do, when the payment is shown."""
    before = ScriptDirectory(MIGRATIONS).get_revision("0012").down_revision
    assert isinstance(before, str)
    to(engine, before)
    alerts = [
        ("phantom_payment", "att_open", None),
        ("phantom_payment", "att_closed", "now()"),
        ("mismatch", "x", None),
    ]
    with engine.begin() as connection:
        for kind, subject, closed in alerts:
            connection.execute(
                text("""
                INSERT INTO alerts (kind, subject_id, detail, opened_at, closed_at)
                VALUES (:kind, :subject, 'd', now(), CASE WHEN :closed THEN now() END)"""),
                {"kind": kind, "subject": subject, "closed": closed is not None},
            )
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM doubts")).scalars().all() == ["att_open"]


TOLD_BEFORE = {
    AlertKind.UNASKED_PAYMENT: (
        (
            "payment imp_1 over 9,900 KRW was taken under our order bw1; this worker had not asked for it. "
            "It pays invoice inv_1"
        ),
        {"payment": "imp_1", "money": "9,900 KRW", "order": "bw1", "invoice": "inv_1"},
    ),
    AlertKind.ORPHAN_PAYMENT: (
        "9,900 KRW were taken under bw1: period 3 of subscription sub_1, of which this database knows nothing",
        {"money": "9,900 KRW", "order": "bw1", "period": 3, "subscription": "sub_1"},
    ),
    AlertKind.FOREIGN_PAYMENT: (
        "9,900 KRW of one of our customers' cards were taken under order shop 7",
        {"money": "9,900 KRW", "order": "shop 7"},
    ),
    AlertKind.ISSUED_TWICE: (
        "payment imp_2 over 1.00 USD issued key key_1 as well as payment imp_1 did",
        {"money": "1.00 USD", "key": "key_1", "first": "imp_1"},
    ),
    AlertKind.UNREADABLE_PAYMENT: ("bw1: a fraction of a won", {"order": "bw1", "problem": "a fraction of a won"}),
    AlertKind.TWIN_SUBSCRIPTION: (
        "subscription s is on plan pla_1 for the same customer as sub_1, and both begin to be charged within a day",
        {"plan": "pla_1", "earlier": "sub_1"},
    ),
    AlertKind.MISMATCH: ("another amount", {"reason": "another amount"}),
    AlertKind.PHANTOM_PAYMENT: (
        (
            "attempt att_1 of invoice inv_1 is approved by imp_1; since 2026-01-02 03:04:05 UTC the gateway has it as "
            "failed under bw1"
        ),
        {
            "case": "differs",
            "invoice": "inv_1",
            "payment": "imp_1",
            "since": "2026-01-02 03:04:05 UTC",
            "status": "failed",
            "order": "bw1",
        },
    ),
}


def test_what_an_earlier_release_told_is_not_told_again_and_its_sentences_stay(engine: Engine) -> None:
    before = ScriptDirectory(MIGRATIONS).get_revision("0013").down_revision
    assert isinstance(before, str)
    to(engine, before)
    told = {kind.value: sentence for kind, (sentence, _) in TOLD_BEFORE.items()} | {"stopped": "all is stopped"}
    with engine.begin() as connection:
        for kind, sentence in told.items():
            connection.execute(
                text("INSERT INTO alerts (kind, subject_id, detail, opened_at) VALUES (:kind, 's', :detail, now())"),
                {"kind": kind, "detail": sentence},
            )
    upgrade(engine)
    with engine.connect() as connection:
        alerts = SqlAlerts(connection)
        for kind, (_, facts) in TOLD_BEFORE.items():
            assert alerts.has(kind, "s", facts), kind
            assert not alerts.has(kind, "other", facts), kind
        (stopped,) = [alert for alert in alerts.list_open(100) if alert.kind == "stopped"]
        assert (stopped.facts, stopped.detail) == (None, "all is stopped")


def test_going_back_to_the_beginning_leaves_nothing_and_the_way_up_works_again(engine: Engine) -> None:
    upgrade(engine)
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    assert tables_of(engine) == set()
    upgrade(engine)
    check_ready(engine)


def test_going_back_during_a_pause_leaves_neither_its_stop_nor_its_alert(engine: Engine) -> None:
    upgrade(engine)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    database = SqlDatabase(engine, RandomIds())
    with database.transaction() as uow:
        open_stop(uow, ALL, StopCause.PERSON, "a word", [], moment=Moment(now, now))
        open_stop(uow, ALL, StopCause.GATEWAY, "away", [], moment=Moment(now, now))
        uow.commit()
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0014_indexes")
        connection.commit()
        cases = connection.execute(text("SELECT facts ->> 'case' FROM alerts")).scalars().all()
        causes = connection.execute(text("SELECT cause FROM stops")).scalars().all()
    assert (cases, causes) == (["person"], ["person"])


def test_migrations_form_one_line() -> None:
    script = ScriptDirectory(MIGRATIONS)
    assert script.get_heads() == [NEWEST_MIGRATION]
    assert len(script.get_bases()) == 1


def test_a_database_without_tables_is_refused_with_the_way_out(engine: Engine) -> None:
    with pytest.raises(SettingsInvalid, match=r"BILLING_DATABASE_URL: .*no tables yet.*billing-worker db upgrade"):
        check_ready(engine)


def test_a_database_of_another_release_is_refused_with_the_way_out(engine: Engine) -> None:
    upgrade(engine)
    noted(engine, "0008")
    with pytest.raises(SettingsInvalid, match=r"at migration 0008.*billing-worker db upgrade"):
        check_ready(engine)


@pytest.mark.fm("J4")
def test_tables_of_a_newer_release_are_refused_without_an_advice_that_cannot_work(engine: Engine) -> None:
    upgrade(engine)
    noted(engine, "ffff")
    for refuses in (check_ready, upgrade):
        with pytest.raises(SettingsInvalid, match="newer release brought the database to migration ffff") as refusal:
            refuses(engine)
        assert "db upgrade" not in str(refusal.value)


def noted(engine: Engine, version: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE billing_alembic_version SET version_num = :version"), {"version": version})


def test_an_unreachable_server_is_one_line_without_the_password() -> None:
    engine = open_engine("postgresql://u:hunter2@127.0.0.1:1/nothing", pool_size=1, application="test")
    with pytest.raises(Unavailable) as refusal:
        check_ready(engine)
    engine.dispose()
    assert "BILLING_DATABASE_URL" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("url", ["mysql://u@h/d", "sqlite://", "nonsense", ""])
def test_a_url_of_anything_but_postgresql_is_refused_by_name(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="BILLING_DATABASE_URL"):
        open_engine(url, pool_size=1, application="test")


def test_each_migration_is_known_so_that_no_older_database_looks_like_one_of_a_newer_release() -> None:
    revisions = {script.revision for script in ScriptDirectory(MIGRATIONS).walk_revisions()}
    assert EARLIER_MIGRATIONS | {NEWEST_MIGRATION} == revisions
    assert NEWEST_MIGRATION not in EARLIER_MIGRATIONS
