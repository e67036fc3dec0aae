"""The issue's paragraph "Bad input", one command line each."""

from collections.abc import Callable

import pytest
from cli_helpers import Command

Counted = Callable[[], dict[str, int]]

PLAN = ("plan", "create", "Basic", "--interval", "month")
CRON = ("plan", "create", "Basic", "--amount", "9900", "--cron")

REFUSED = {
    "amount 0": ((*PLAN, "--amount", "0"), "amount", "between 1 and"),
    "a negative amount": ((*PLAN, "--amount=-5"), "amount", "between 1 and"),
    "a fraction of a won": ((*PLAN, "--amount", "99.5"), "amount", "whole number of won"),
    "an amount with a comma": ((*PLAN, "--amount", "9,900"), "amount", "whole number"),
    "an amount in words": ((*PLAN, "--amount", "much"), "amount", "whole number"),
    "an amount beyond all sense": ((*PLAN, "--amount", "9" * 40), "amount", "whole number"),
    "an unknown currency": ((*PLAN, "--amount", "1", "--currency", "WON"), "currency", "KRW or USD"),
    "a currency in small letters": ((*PLAN, "--amount", "1", "--currency", "krw"), "currency", "KRW or USD"),
    "an unknown interval": (("plan", "create", "B", "--amount", "1", "--interval", "decade"), "interval", "day, week"),
    "no calendar": (("plan", "create", "B", "--amount", "1"), "interval", "cron expression"),
    "two calendars": ((*PLAN, "--amount", "1", "--cron", "0 9 1 * *"), "cron", "not both"),
    "a count beside cron": ((*CRON, "0 9 1 * *", "--interval-count", "2"), "interval_count", "leave it out"),
    "interval count 0": ((*PLAN, "--amount", "1", "--interval-count", "0"), "interval_count", "between 1 and 120"),
    "a cron expression of three fields": ((*CRON, "0 9 1"), "cron", "five fields"),
    "a cron expression of nonsense": ((*CRON, "a b c d e"), "cron", "is not a cron expression"),
    "a day that some months lack": ((*CRON, "0 9 31 * *"), "cron", "use L"),
    "a random time": ((*CRON, "R 9 1 * *"), "cron", "the same for everyone"),
    "an unknown zone": ((*PLAN, "--amount", "1", "--timezone", "Asia/Soul"), "timezone", "Asia/Seoul"),
    "a zone outside the tz database": ((*PLAN, "--amount", "1", "--timezone", "../../etc"), "timezone", "Asia/Seoul"),
    "dunning in words": ((*PLAN, "--amount", "1", "--dunning-days", "soon"), "dunning_days", "1,3,5,7"),
    "dunning after 0 days": ((*PLAN, "--amount", "1", "--dunning-days", "0"), "dunning_days", "1 to 60"),
    "dunning 16 times": ((*PLAN, "--amount", "1", "--dunning-days", ",".join("1" * 16)), "dunning_days", "at most 15"),
    "a name of 41 characters": (("plan", "create", "x" * 41, "--amount", "1", "--interval", "day"), "name", "1 to 40"),
    "an empty name": (("plan", "create", " ", "--amount", "1", "--interval", "day"), "name", "1 to 40"),
    "a customer_uid of 81 characters": (("key", "register", "x" * 81, "--pg", "nice_v2"), "customer_uid", "1 to 80"),
    "an empty customer_uid": (("key", "register", "", "--pg", "nice_v2"), "customer_uid", "1 to 80"),
    "a card number": (("key", "register", "4242-4242-4242-4242", "--pg", "kcp"), "customer_uid", "card number"),
    "a PG in capitals": (
        ("key", "register", "u-1", "--pg", "NICE!"),
        "pg_provider",
        "is nice (나이스페이먼츠 (구모듈)) meant?",
    ),
    "paymentwall without a name": (("key", "register", "u-1", "--pg", "paymentwall"), "buyer_name", "First Last"),
    "an e-mail that is none": (
        ("key", "register", "u-1", "--pg", "kcp", "--buyer-email", "kim"),
        "buyer_email",
        "not an e-mail",
    ),
    "an unknown id": (("why", "nonsense"), "id", "merchant_uid"),
    "months of an unknown zone": (("report", "--timezone", "Mars/Base"), "timezone", "Asia/Seoul"),
}


@pytest.mark.parametrize(("words", "field", "way_out"), REFUSED.values(), ids=REFUSED)
def test_it_names_the_field_and_the_way_out_and_stores_nothing(
    words: tuple[str, ...], field: str, way_out: str, billing: Command, counted: Counted
) -> None:
    billing(*words).refuses(2, f"{field}: ", way_out)
    error = billing(*words, "--json").error
    assert (error["type"], error["field"]) == ("InvalidInput", field)
    assert way_out in error["message"]
    assert not any(counted().values())


UNUSABLE = {
    "no command": (("plan",), "plan --help"),
    "an unknown command": (("plans",), "plan"),
    "a missing option": (("plan", "create", "Basic"), "--amount"),
    "an unknown option": (("plan", "list", "--limt", "3"), "--limit"),
    "a limit that is no number": (("plan", "list", "--limit", "many"), "--limit"),
    "a limit of 0": (("invoice", "list", "--limit", "0"), "--limit"),
    "an unknown status": (("invoice", "list", "--status", "owed"), "uncollectible"),
    "a number that no alert has": (("alert", "show", str(2**63)), "9223372036854775807"),
    "a number that no stop has": (("breaker", "clear", "0", "--note", "x"), "'ID'"),
    "a word too many": (("db", "check", "twice"), "twice"),
    "bytes that are no text": (("key", "show", "\udcff"), "UTF-8"),
}


@pytest.mark.parametrize(("words", "named"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_command_line_that_cannot_be_read_is_one_line(words: tuple[str, ...], named: str, billing: Command) -> None:
    billing(*words).refuses(2, named)
    assert billing(*words, "--json").error["message"]


MISSING = {
    "a plan": (("plan", "show", "plan_x"), "no plan 'plan_x'", "plan list"),
    "a key": (("key", "show", "key_x"), "no billing key 'key_x'", "key list"),
    "a subscription": (("subscription", "show", "sub_x"), "no subscription 'sub_x'", "subscription list"),
    "a subscription to cancel": (("subscription", "cancel", "sub_x"), "no subscription", "subscription list"),
    "an invoice": (("invoice", "show", "inv_x"), "no invoice 'inv_x'", "invoice list"),
    "an invoice to retry": (("invoice", "retry", "inv_x"), "no invoice", "invoice list"),
    "an attempt to explain": (("why", "att_x"), "no attempt", "invoice show"),
}


@pytest.mark.parametrize(("words", "what", "way_out"), MISSING.values(), ids=MISSING)
def test_what_does_not_exist_is_one_line_and_says_where_to_look(
    words: tuple[str, ...], what: str, way_out: str, billing: Command
) -> None:
    billing(*words).refuses(1, what, f"billing-worker {way_out}")
    assert billing(*words, "--json").error["type"] == "NotFound"


def test_a_key_is_registered_only_once(billing: Command, key_id: str, counted: Counted) -> None:
    assert key_id
    billing("key", "register", "nice-ok-kim-1", "--pg", "nice_v2").refuses(1, "customer_uid", "already exists")
    assert counted()["billing_keys"] == 1


@pytest.mark.parametrize(
    ("start", "way_out"),
    [
        ("2026-03-31", "time zone"),
        ("tomorrow", "such as"),
        ("0001-01-01T00:00+09:00", "such as"),
        ("9999-12-31T23:59:59+00:00", "1970 to 2199"),
    ],
)
def test_a_start_needs_a_date_and_a_zone(  # noqa: PLR0917 - fixtures
    start: str, way_out: str, billing: Command, plan_id: str, key_id: str, counted: Counted
) -> None:
    words = ("subscription", "create", "--plan", plan_id, "--key", key_id, "--customer", "kim", "--start", start)
    billing(*words).refuses(2, "start: ", way_out)
    assert counted()["subscriptions"] == 0


def test_a_subscription_needs_a_plan_a_key_and_a_customer(billing: Command, plan_id: str, key_id: str) -> None:
    create = ("subscription", "create")
    billing(*create, "--plan", "plan_x", "--key", key_id, "--customer", "kim").refuses(2, "plan_id: ", "plan_x")
    billing(*create, "--plan", plan_id, "--key", "key_x", "--customer", "kim").refuses(2, "billing_key_id: ", "key_x")
    billing(*create, "--plan", plan_id, "--key", key_id, "--customer", " ").refuses(2, "customer: ", "1 to 120")
    assert billing("subscription", "list", "--json").json == []


def test_a_paid_invoice_is_not_tried_again(billing: Command, world) -> None:
    world.subscribe(key=world.key("ok"))
    world.tick()
    [invoice] = billing("invoice", "list", "--json").json
    billing("invoice", "retry", invoice["id"]).refuses(1, invoice["id"], "is paid")


SETTINGS = {
    "an unknown setting": ("BILLING_DATABSE_URL", "x", "did you mean BILLING_DATABASE_URL?"),
    "another database": ("BILLING_DATABASE_URL", "mysql://localhost/x", "only PostgreSQL"),
    "no database URL": ("BILLING_DATABASE_URL", "nonsense", "postgresql://"),
    "another broker": ("BILLING_BROKER_URL", "amqp://localhost", "redis://"),
    "a port beyond 65535": ("BILLING_WEB_PORT", "70000", "65535"),
    "half of the keys": ("BILLING_PORTONE_IMP_KEY", "imp", "set both"),
    "limits that contradict": ("BILLING_HTTP_DEADLINE", "120", "lease"),
    "a time machine with real money": (
        "BILLING_TIME_MACHINE",
        "2026-01-01T00:00:00Z x60 @2026-01-01T00:00:00Z",
        "real",
    ),
}


@pytest.mark.parametrize(("name", "value", "way_out"), SETTINGS.values(), ids=SETTINGS)
def test_a_wrong_setting_is_one_line_with_its_name(
    name: str, value: str, way_out: str, billing: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    billing("plan", "list").refuses(2, name, way_out)
    error = billing("plan", "list", "--json").error
    assert error["type"] == "SettingsInvalid"
    assert error["field"] == (name if error["message"].startswith(f"{name}: ") else None)


def test_an_unknown_zone_in_the_settings_names_its_variable(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_TIMEZONE", "Asia/Soul")
    billing("plan", "list").refuses(2, "BILLING_TIMEZONE", "Asia/Seoul")


def test_no_database_at_all_names_the_variable(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BILLING_DATABASE_URL")
    billing("plan", "list").refuses(2, "BILLING_DATABASE_URL", "billing-worker up", "postgresql://")


def test_an_unreachable_database_is_one_line_without_its_password(
    billing: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_DATABASE_URL", "postgresql://billing:hidden-word@127.0.0.1:1/billing")
    monkeypatch.setenv("BILLING_BROKER_URL", "redis://127.0.0.1:1/0")
    for words in (("plan", "list"), ("db", "upgrade"), ("db", "check"), ("why", "sub_1"), ("web",)):
        said = billing(*words)
        said.refuses(1, "BILLING_DATABASE_URL", "127.0.0.1:1", "is the server running?")
        assert "hidden-word" not in said.err


def test_a_missing_migration_is_one_line_with_the_command(
    billing: Command, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("BILLING_BROKER_URL", "redis://127.0.0.1:1/0")
    for words in (("plan", "list"), ("db", "check"), ("report",), ("web",)):
        billing(*words).refuses(2, "BILLING_DATABASE_URL", "run: billing-worker db upgrade")


def test_our_own_mistake_is_one_line_without_the_data_that_it_holds(
    billing: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError("card 4242")

    monkeypatch.setattr("billing_worker.cli.why.explain", breaks)
    said = billing("why", "sub_1")
    assert (said.status, len(said.err.splitlines())) == (1, 1)
    assert "ZeroDivisionError" in said.err
    assert "4242" not in said.err
    assert "--traceback" in said.err
    assert "Traceback" in billing("--traceback", "why", "sub_1").err
