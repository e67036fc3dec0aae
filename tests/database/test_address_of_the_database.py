"""BILLING_DATABASE_URL: each part of it is honoured, or refused by name; none is dropped in silence."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, inspect, text

from billing_worker.adapters.database.address import Address
from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.readiness import check_ready
from billing_worker.adapters.database.upgrade import upgrade
from billing_worker.domain.errors import BillingError, SettingsInvalid, Unavailable

SERVER = "postgresql://billing:hunter2@127.0.0.1:1/name"


@contextmanager
def engine_at(url: str) -> Iterator[Engine]:
    made = open_engine(url, pool_size=2, application="test")
    try:
        yield made
    finally:
        made.dispose()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgres://u@h/d", {"host": "h", "user": "u", "dbname": "d"}),
        ("postgresql+psycopg://u@h:7/d", {"host": "h", "port": "7"}),
        ("postgresql://u:p%40ss@h/d", {"password": "p@ss"}),
        ("postgresql://u:p#a?b@h/d?sslmode=disable", {"password": "p#a?b", "sslmode": "disable", "host": "h"}),
        ("postgresql://u@h/d?sslmode=verify-full&sslrootcert=/ca.pem", {"sslmode": "verify-full"}),
        ("postgresql://u@h/d?connect_timeout=2", {"connect_timeout": "2"}),
        ("postgresql://u@h/d", {"connect_timeout": "5", "application_name": "ours", "options": ""}),
        ("postgresql://u@h/d?application_name=theirs", {"application_name": "theirs"}),
        ("postgresql://u@one:5,two:6/d", {"host": "one,two", "port": "5,6", "target_session_attrs": "read-write"}),
        ("postgresql://u@one,two/d?target_session_attrs=any", {"target_session_attrs": "any"}),
        ("postgresql://u@h/d?ssl=true", {"sslmode": "require"}),
        ("postgresql:///d?host=/var/run/postgresql", {"host": "/var/run/postgresql"}),
    ],
)
def test_what_libpq_knows_reaches_it(url: str, wanted: dict[str, str]) -> None:
    parameters = Address.of(url, "ours").parameters
    assert {name: parameters.get(name) for name in wanted} == wanted


def test_one_host_is_not_asked_for_its_state() -> None:
    assert "target_session_attrs" not in Address.of("postgresql://u@h/d", "ours").parameters


@pytest.mark.parametrize(
    ("query", "settings"),
    [
        ("options=-c%20search_path%3Dbilling", {"search_path": "billing"}),
        ("options=-csearch_path%3Dbilling%20--work-mem%3D8MB", {"search_path": "billing", "work_mem": "8MB"}),
        (r"options=-c%20search_path%3Done%2C%5C%20two", {"search_path": "one, two"}),
        ("search_path=billing,public", {"search_path": "billing,public"}),
        ("options=-c%20jit%3Doff&sslmode=prefer", {"jit": "off"}),
    ],
)
def test_options_become_settings_of_each_transaction(query: str, settings: dict[str, str]) -> None:
    address = Address.of(f"{SERVER}?{query}", "ours")
    assert (address.settings, address.parameters["options"]) == (settings, "")


def test_options_of_the_environment_are_read_as_those_of_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=billing")
    assert Address.of(SERVER, "ours").settings == {"search_path": "billing"}
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=0")
    with pytest.raises(SettingsInvalid, match="statement_timeout"):
        Address.of(SERVER, "ours")


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (f"{SERVER}?sslmod=require", "sslmod .*did you mean sslmode"),
        (f"{SERVER}?schema=billing", "schema is not a parameter.*search_path"),
        (f"{SERVER}?currentSchema=billing", "currentSchema"),
        (f"{SERVER}?host=a&host=b", "host is given twice"),
        (f"{SERVER}?host=a:5432", "host names a port"),
        (f"{SERVER}?password=hunter2", "password is not allowed after the question mark"),
        (f"{SERVER}?sslpassword=hunter2", "sslpassword"),
        (f"{SERVER}?client_encoding=latin1", "client_encoding"),
        (f"{SERVER}?ssl=1", "ssl is not"),
        (f"{SERVER}?options=-c%20statement_timeout%3D0", "options: statement_timeout"),
        (f"{SERVER}?options=-c%20TimeZone%3DAsia/Seoul", "options: timezone"),
        (f"{SERVER}?options=-c%20default_transaction_read_only%3Don", "default_transaction_read_only"),
        (f"{SERVER}?options=-e", "options: '-e'"),
        (f"{SERVER}?options=-c", "options: '-c'"),
        ("postgresql://u:hunter2%zz@h/d", "not readable"),
        ("postgresql://u:hunter2@[::1/d", "not readable"),
        ("mysql://u:hunter2@h/d", "only PostgreSQL"),
        ("u:hunter2@h/d", "is not a URL"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(url: str, named: str) -> None:
    with pytest.raises(SettingsInvalid, match=named) as refusal:
        open_engine(url, pool_size=1, application="test")
    assert str(refusal.value).startswith("BILLING_DATABASE_URL: ")
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_tables_go_to_the_schema_that_the_url_names(empty_database_url: str) -> None:
    with engine_at(empty_database_url) as plain, plain.begin() as connection:
        connection.execute(text('CREATE SCHEMA "own place"'))
    for way in ("?options=-csearch_path%3D%22own%5C%20place%22", "?search_path=%22own%20place%22"):
        with engine_at(empty_database_url + way) as engine:
            upgrade(engine)
            check_ready(engine)
    with engine_at(empty_database_url) as plain:
        assert inspect(plain).get_table_names(schema="public") == []
        assert "billing_alembic_version" in inspect(plain).get_table_names(schema="own place")


def test_a_schema_that_is_not_there_and_a_setting_that_the_server_refuses_are_named(empty_database_url: str) -> None:
    for way, named in (
        ("?search_path=nowhere", r"no schema of search_path \(nowhere\) exists; create it"),
        ("?options=-c%20work_mem%3Dmuch", 'options: the server refuses a setting: .*"work_mem"'),
        ("?options=-c%20no_such_setting%3D1", "options: the server refuses a setting: .*no_such_setting"),
        ("?options=-c%20max_connections%3D5", "options: the server refuses a setting: .*max_connections"),
    ):
        with engine_at(empty_database_url + way) as engine:
            for job in (check_ready, upgrade):
                with pytest.raises(SettingsInvalid, match=named):
                    job(engine)


def test_a_name_of_settings_cannot_smuggle_sql(database_url: str) -> None:
    url = f"{database_url}?search_path=public%27%29%3B%20DROP%20TABLE%20plans%3B%20--"
    with engine_at(url) as engine, pytest.raises(SettingsInvalid):
        check_ready(engine)
    with engine_at(database_url) as engine:
        check_ready(engine)


@pytest.mark.parametrize(
    ("change", "named", "class_"),
    [
        (lambda _: SERVER, "is the server running", Unavailable),
        (lambda url: url.replace("127.0.0.1", "no-such-host.invalid"), "is the server running", Unavailable),
        (lambda url: f"{url}_absent", "create it: CREATE DATABASE", Unavailable),
        (lambda url: url.replace("billing:", "stranger:", 1), "correct user and password", Unavailable),
        (lambda url: f"{url}?sslmode=require", "set .sslmode", Unavailable),
    ],
)
def test_whether_the_server_runs_is_asked_only_where_none_answered(
    database_url: str, change, named: str, class_: type[BillingError]
) -> None:
    with engine_at(change(database_url)) as engine:
        for job in (check_ready, upgrade):
            with pytest.raises(class_, match=named) as refusal:
                job(engine)
            assert ("running" in str(refusal.value)) == ("running" in named)
            assert "hunter2" not in str(refusal.value)


def test_of_several_hosts_the_one_that_answers_is_used(database_url: str) -> None:
    with engine_at(database_url.replace("@", "@127.0.0.1:1,")) as engine:
        check_ready(engine)
