import json
from collections.abc import Iterator

import pytest
from cli_helpers import Command
from sqlalchemy import text

from tests.support.clock import RunningClock
from tests.support.sandbox import Sandbox
from tests.support.world import World


@pytest.fixture
def today(database_url: str, shared_sandbox: Sandbox) -> Iterator[World]:
    """A world by the clock of this host, as the command line sees it."""
    with World.built(database_url, shared_sandbox, clock=RunningClock()) as built:
        yield built


def test_the_breaker_is_tripped_listed_and_cleared(billing: Command, world: World) -> None:
    assert "Nothing is stopped" in billing("breaker", "list").out
    assert billing("breaker", "list", "--json").json == []
    world.subscribe()
    world.renew()
    stopped = billing("breaker", "trip", "--all", "--reason", "amounts look wrong", "--json").json
    assert (stopped["scope"], stopped["cause"], stopped["waiting_invoices"]) == ("all", "person", 1)
    (listed,) = billing("breaker", "list", "--json").json
    assert listed == stopped
    world.clock.advance(seconds=5)
    world.settle()
    assert world.ledger() == []
    assert "amounts look wrong" in billing("report").out
    said = billing("breaker", "clear", str(stopped["id"]), "--note", "they were right")
    assert "waited: 1" in said.out
    world.settle()
    assert len(world.ledger()) == 1
    assert billing("breaker", "list", "--cleared", "--json").json[0]["note"] == "they were right"


def test_two_stops_are_cleared_one_by_one(billing: Command, subscription_id: str) -> None:
    first = billing("breaker", "trip", "--pg", "nice_v2", "--reason", "a", "--json").json["id"]
    second = billing("breaker", "trip", "--subscription", subscription_id, "--reason", "b", "--json").json["id"]
    assert f"Still stopped by {second}" in billing("breaker", "clear", str(first), "--note", "done").out


def test_a_pg_that_no_key_has_is_refused_with_the_names_that_exist(billing: Command, key_id: str) -> None:
    """A slip in a hurry once read as if charging were stopped."""
    billing("breaker", "trip", "--pg", "nice_v3", "--reason", "strange answers").refuses(2, "nice_v3", "have nice_v2")
    assert billing("breaker", "list", "--json").json == []
    assert billing("breaker", "trip", "--pg", "nice_v2", "--reason", "strange answers").status == 0
    assert key_id


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("trip", "--reason", "x"), "--all"),
        (("trip", "--all", "--pg", "kcp", "--reason", "x"), "--all"),
        (("trip", "--pg", "K C P", "--reason", "x"), "scope"),
        (("trip", "--subscription", "sub_none", "--reason", "x"), "sub_none"),
        (("trip", "--all", "--reason", ""), "reason"),
        (("clear", "4711", "--note", "x"), "4711"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(billing: Command, words: tuple[str, ...], named: str) -> None:
    said = billing("breaker", *words)
    assert said.status != 0
    assert named in said.err
    assert len(said.err.splitlines()) == 1


def test_a_stop_is_cleared_once(billing: Command) -> None:
    number = str(billing("breaker", "trip", "--all", "--reason", "x", "--json").json["id"])
    billing("breaker", "clear", number, "--note", "y")
    billing("breaker", "clear", number, "--note", "y").refuses(1, "already cleared")


def test_a_database_is_claimed_only_with_yes(billing: Command, world: World, with_gateway: Sandbox) -> None:
    assert with_gateway
    world.subscribe()
    world.settle()
    shown = billing("breaker", "claim", "--json").json
    assert shown["claimed"] is False
    assert any("BILLING_ENVIRONMENT was" in each for each in shown["differences"])
    assert "Nothing was claimed" in billing("breaker", "claim").out
    assert billing("breaker", "claim", "--yes", "--json").json["claimed"] is True
    assert billing("breaker", "claim", "--json").json["differences"] == []
    assert world.rows("SELECT gateway FROM environment_claims ORDER BY id DESC")[0]["gateway"].startswith(
        "127.0.0.1 key "
    )
    assert "imp_key_sandbox" not in str(world.rows("SELECT * FROM environment_claims"))


def test_an_audit_of_sound_books_ends_with_0(billing: Command, today: World, with_gateway: Sandbox) -> None:
    assert with_gateway
    today.subscribe()
    today.settle()
    found = billing("audit", "--json").json
    assert found["ok"] is True
    assert {"I1", "I2", "I5", "I6", "I10", "I13", "I17"} <= {check["invariant"] for check in found["checks"]}
    said = billing("audit", "--no-gateway", "--since", "2020-01-01T00:00:00Z")
    assert said.status == 0
    assert "ok" in said.out


def test_an_audit_that_finds_a_breach_ends_with_1_and_stops_the_line(billing: Command, today: World) -> None:
    today.subscribe()
    today.settle()
    with today.engine.begin() as connection:
        connection.execute(text("UPDATE payment_attempts SET amount = amount + 1"))
    said = billing("audit", "--no-gateway")
    assert said.status == 1
    assert "All charging is stopped" in said.out
    assert "fail" in said.out
    again = billing("audit", "--no-gateway", "--json")
    assert again.status == 1
    found = json.loads(again.out)
    assert found["breaches"][0]["invariant"] == "I5"
    assert found["stop"] == billing("breaker", "list", "--json").json[0]["id"]
    assert billing("audit", "--since", "yesterday", "--no-gateway").status != 0


def test_the_doctor_tells_of_stops_claims_and_budgets(
    billing: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verdicts() -> dict[str, str]:
        return {each["check"]: each["verdict"] for each in json.loads(billing("doctor", "--json").out)["checks"]}

    assert {verdicts()[name] for name in ("charging", "environment")} == {"ok"}
    world.subscribe()
    world.settle()
    billing("breaker", "trip", "--all", "--reason", "x")
    monkeypatch.setenv("BILLING_BUDGET_RUN", "KRW=5000000")
    found = verdicts()
    assert (found["charging"], found["environment"], found["budget"]) == ("warn", "warn", "ok")
    assert "5,000,000 KRW an hour" in billing("doctor").out
    monkeypatch.delenv("BILLING_BUDGET_RUN")
    monkeypatch.setenv("BILLING_PORTONE_API_URL", "https://api.iamport.kr.")
    assert verdicts()["budget"] == "warn"
    monkeypatch.setenv("BILLING_BUDGET_RUN", "KRW=many")
    assert "BILLING_BUDGET_RUN" in billing("doctor", "--json").out
