"""What stands in the way of a first start, or of an update: one true line for each, with its own way out."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event, inspect, make_url, text

from billing_worker.adapters.database import migrations
from billing_worker.adapters.database.engine import open_engine, opening_of
from billing_worker.adapters.database.found import NEWEST_MIGRATION, VERSION_TABLE
from billing_worker.adapters.database.readiness import check_ready, migration_of
from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.adapters.database.upgrade import upgrade
from billing_worker.domain.errors import BillingError, SettingsInvalid, Unavailable

pytestmark = pytest.mark.long

BOTH = (check_ready, upgrade)
ROOT = Path(__file__).parents[2]
STORE = ROOT / "billing_worker" / "adapters" / "database"
POSTGRESQL = ROOT / "docs" / "postgresql.md"


@contextmanager
def engine_at(url: str) -> Iterator[Engine]:
    made = open_engine(url, pool_size=2, application="test")
    try:
        yield made
    finally:
        made.dispose()


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    """The server's superuser, on an empty database."""
    with engine_at(empty_database_url) as made:
        yield made


@pytest.fixture
def role(engine: Engine, empty_database_url: str) -> Iterator[str]:
    """The URL of an ordinary role on the same database; PostgreSQL 15 and later let it create nothing in `public`."""
    name = f"bw_{uuid4().hex[:12]}"
    run(engine, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    yield make_url(empty_database_url).set(username=name, password="secret").render_as_string(hide_password=False)
    run(engine, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def refusal(job: Callable[[Engine], object], engine: Engine, kind: type[BillingError] = SettingsInvalid) -> str:
    with pytest.raises(kind) as raised:
        job(engine)
    line = str(raised.value)
    assert line.startswith("BILLING_DATABASE_URL: ")
    assert "\n" not in line
    assert "is the server running" not in line
    return line


def tables_of(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def note(engine: Engine, version: str) -> None:
    """As another application's Alembic does."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})


def as_alembic_names_it(engine: Engine) -> None:
    """As earlier releases noted their migration."""
    run(
        engine,
        "ALTER TABLE billing_alembic_version RENAME CONSTRAINT billing_alembic_version_pkc TO alembic_version_pkc",
        "ALTER TABLE billing_alembic_version RENAME TO alembic_version",
    )


def test_a_role_that_may_create_nothing_is_told_what_to_grant(engine: Engine, role: str) -> None:
    with engine_at(role) as ordinary:
        name = ordinary.url.username
        for job in BOTH:
            assert f"GRANT CREATE ON SCHEMA public TO {name}" in refusal(job, ordinary)
        run(engine, f"GRANT CREATE ON SCHEMA public TO {name}")
        upgrade(ordinary)
        check_ready(ordinary)


def test_a_role_that_may_not_work_with_the_tables_is_told_what_to_grant(engine: Engine, role: str) -> None:
    upgrade(engine)
    with engine_at(role) as ordinary:
        grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ordinary.url.username}"
        for job in BOTH:
            assert grant in refusal(job, ordinary)
        run(engine, grant, f"REVOKE INSERT ON refunds FROM {ordinary.url.username}")
        assert "may not work with table refunds; let" in refusal(check_ready, ordinary)
        run(engine, grant)
        check_ready(ordinary)
        # Who only works needs to delete nothing that money is written in.
        run(engine, f"REVOKE DELETE ON invoices, payment_attempts, evidence FROM {ordinary.url.username}")
        check_ready(ordinary)


def test_a_role_without_a_right_to_delete_that_the_work_needs_is_told_so(engine: Engine, role: str) -> None:
    """Of every table that a statement of the store deletes from: the job that tidies would fail each minute."""
    upgrade(engine)
    sources = "".join(path.read_text() for path in STORE.glob("*.py"))
    needed = {*re.findall(r"DELETE FROM (\w+)", sources), *re.findall(r"delete\((\w+)\)", sources)}
    needed -= {"alembic_version", VERSION_TABLE}
    assert needed >= {"alerts", "inbox", "processes"}
    with engine_at(role) as ordinary:
        name = ordinary.url.username
        run(engine, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
        for table in sorted(needed):
            run(engine, f"REVOKE DELETE ON {table} FROM {name}")
            assert f"may not work with table {table}; let" in refusal(check_ready, ordinary)
            run(engine, f"GRANT DELETE ON {table} TO {name}")
        run(engine, f"REVOKE DELETE ON ALL TABLES IN SCHEMA public FROM {name}")
        run(engine, f"GRANT DELETE ON {', '.join(needed)} TO {name}")
        check_ready(ordinary)
    told = POSTGRESQL.read_text().partition("It needs DELETE on ")[2].partition(" only")[0]
    assert set(re.findall(r"`(\w+)`", told)) == needed


def test_an_upgrade_by_another_role_than_the_tables_owner_is_told_so(engine: Engine, role: str) -> None:
    to(engine, "0005")
    with engine_at(role) as ordinary:
        name = ordinary.url.username
        run(engine, f"GRANT CREATE ON SCHEMA public TO {name}", f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
        line = refusal(upgrade, ordinary)
    assert "must be owner of table billing_keys" in line
    assert "let the tables' owner run this" in line
    assert migration_of(engine) == "0005"


def test_tables_of_our_names_that_are_not_ours_are_left_alone(engine: Engine) -> None:
    run(engine, "CREATE TABLE plans (id int)", "CREATE TABLE subscriptions (id int)")
    for job in BOTH:
        line = refusal(job, engine)
        assert "another application's tables plans, subscriptions" in line
        assert "?search_path=billing" in line
    assert tables_of(engine) == {"plans", "subscriptions"}


def test_a_foreign_table_that_only_a_later_migration_meets_is_named_and_the_upgrade_goes_on_after(
    engine: Engine,
) -> None:
    to(engine, "0003")
    run(engine, "CREATE TABLE stops (id int)")
    line = refusal(upgrade, engine)
    assert 'relation "stops" already exists' in line
    assert migration_of(engine) == "0003"
    run(engine, "DROP TABLE stops")
    assert upgrade(engine) == "0003"
    check_ready(engine)


@pytest.mark.parametrize("versions", [["27c6a30d7c24"], ["0003"], []])
def test_another_applications_migrations_are_no_conflict(engine: Engine, versions: list[str]) -> None:
    run(engine, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)", "CREATE TABLE orders (id int)")
    for version in versions:
        note(engine, version)
    assert "has no tables yet" in refusal(check_ready, engine)
    assert upgrade(engine) is None
    check_ready(engine)
    assert tables_of(engine) == {*metadata.tables, "billing_alembic_version", "alembic_version", "orders"}
    with engine.connect() as connection:
        assert list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars()) == versions


@pytest.mark.parametrize("others", [[], ["27c6a30d7c24"]])
def test_our_migration_is_carried_over_from_a_table_of_alembics_name(engine: Engine, others: list[str]) -> None:
    upgrade(engine)
    as_alembic_names_it(engine)
    for other in others:
        note(engine, other)
    assert "run: billing-worker db upgrade" in refusal(check_ready, engine)
    assert upgrade(engine) == NEWEST_MIGRATION
    check_ready(engine)
    assert ("alembic_version" in tables_of(engine)) is bool(others)
    if others:
        with engine.connect() as connection:
            assert list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars()) == others


def test_an_older_alembic_version_of_ours_is_carried_over_and_brought_up(engine: Engine) -> None:
    to(engine, "0005")
    as_alembic_names_it(engine)
    assert migration_of(engine) == "0005"
    assert upgrade(engine) == "0005"
    check_ready(engine)


def test_a_database_that_only_reads_is_told_so(engine: Engine) -> None:
    upgrade(engine)
    run(engine, f'ALTER DATABASE "{engine.url.database}" SET default_transaction_read_only = on')
    engine.dispose()
    for job in BOTH:
        assert "default_transaction_read_only is on" in refusal(job, engine, Unavailable)


def test_a_database_in_another_encoding_is_refused(engine: Engine) -> None:
    name = f"bw_{uuid4().hex[:12]}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"))
        try:
            url = engine.url.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
            with engine_at(url) as other:
                for job in BOTH:
                    assert "encoding is SQL_ASCII" in refusal(job, other)
        finally:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_a_schema_before_ours_on_the_search_path_is_named(engine: Engine, empty_database_url: str) -> None:
    to(engine, "0005")
    run(engine, "CREATE SCHEMA other")
    with engine_at(f"{empty_database_url}?search_path=other,public") as elsewhere:
        assert "the tables are in schema public, and search_path puts other before it" in refusal(upgrade, elsewhere)
    assert tables_of(engine) >= {"plans"}


@pytest.mark.parametrize("name", ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"])
def test_limits_that_are_lost_on_the_way_stop_all_work_before_it_begins(engine: Engine, name: str) -> None:
    """As a pooler would that answers SET and forgets it."""
    upgrade(engine)
    check_ready(engine)
    wanted = opening_of(engine).limits.settings[name]

    @event.listens_for(engine, "checkout")
    def _forget(connection, *_: object) -> None:
        connection.begins = connection.begins.replace(f"{name} = {wanted}", f"{name} = 0")

    line = refusal(check_ready, engine)
    assert f"{name} is 0 ms in a transaction that began by setting it to {wanted} ms" in line
    assert "pool_mode = transaction" in line
