"""`billing-worker catch-up`: what is late, and a decision about it; and the plans' policies."""

from datetime import UTC, datetime, timedelta

import pytest
from cli_helpers import Command

from tests.support.world import World


@pytest.fixture
def late(billing: Command, world: World, key_id: str) -> dict[str, str]:
    """A daily subscription on a plan that asks; it began ten days ago, and no worker has run since."""
    words = ("--amount", "1000", "--interval", "day", "--catch-up", "ask", "--catch-up-max-age", "30", "--json")
    plan = billing("plan", "create", "Daily", *words).json["id"]
    made = billing("subscription", "create", "--plan", plan, "--key", key_id, "--customer", "kim", "--json").json["id"]
    start = datetime.now(UTC) - timedelta(days=10, hours=1)
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE subscriptions SET anchor = %(at)s, next_period_start = %(at)s, created_at = %(at)s", {"at": start}
        )
    return {"plan": plan, "subscription": made}


def test_a_plan_shows_its_policy_and_takes_another(billing: Command, plan_id: str) -> None:
    shown = billing("plan", "show", plan_id, "--json").json
    assert (shown["catch_up"], shown["catch_up_max_age"]) == ("bill_all", 90)
    changed = billing("plan", "set-catch-up", plan_id, "--mode", "forgive", "--json").json
    assert (changed["catch_up"], changed["catch_up_max_age"]) == ("forgive", 90)
    changed = billing("plan", "set-catch-up", plan_id, "--mode", "ask", "--max-age", "30", "--json").json
    assert changed == billing("plan", "show", plan_id, "--json").json
    assert (changed["catch_up"], changed["catch_up_max_age"]) == ("ask", 30)
    billing("plan", "set-catch-up", plan_id, "--mode", "never").refuses(2, "catch_up", "bill_all, latest_only")
    billing("plan", "set-catch-up", plan_id, "--mode", "ask", "--max-age", "0").refuses(2, "catch_up_max_age")
    billing("plan", "set-catch-up", "plan_0", "--mode", "ask").refuses(1, "plan list")


@pytest.mark.fm("A6")
def test_the_preview_shows_counts_sums_and_who_pays_twice_and_changes_nothing(
    billing: Command, late: dict[str, str]
) -> None:
    shown = billing("catch-up", "--preview", "--json").json
    [line] = shown["plans"]
    assert (line["plan_id"], line["mode"], line["max_age"]) == (late["plan"], "ask", 30)
    assert (line["subscriptions"], line["on_hold"], line["periods"]) == (1, 0, 11)
    assert (line["bill"], line["waive"], line["ask"], line["ask_sum"], line["currency"]) == (0, 0, 11, 11000, "KRW")
    assert shown["paying_twice"] == 0
    decided = billing("catch-up", "--preview", "--mode", "latest_only", "--json").json
    [line] = decided["plans"]
    assert (line["bill"], line["bill_sum"], line["waive"], line["waive_sum"]) == (1, 1000, 10, 10000)
    assert decided["paying_twice"] == 1
    assert decided["paying_twice_first"] == [
        {"customer": "kim", "payments": 8, "for_late_periods": 1, "sums": ["8,000 KRW"]}
    ]
    assert billing("catch-up", "--json").json["plans"] == shown["plans"]
    text = billing("catch-up", "--preview", "--mode", "bill_all").out
    assert "11,000 KRW" in text
    assert "1 customers would pay more than once within seven days." in text
    assert billing("subscription", "show", late["subscription"], "--json").json["held_since"] is None


@pytest.mark.fm("A6")
def test_a_decision_is_shown_first_and_taken_with_yes(billing: Command, late: dict[str, str], world: World) -> None:
    before = world.rows("SELECT * FROM subscriptions")
    told = billing("catch-up", "apply", "--mode", "forgive", "--all")
    assert "Nothing was changed. To apply this decision, add --yes." in told.out
    assert world.rows("SELECT * FROM subscriptions") == before
    done = billing("catch-up", "apply", "--mode", "forgive", "--all", "--yes", "--json").json
    plans = [{"plan_id": late["plan"], "subscriptions": 1}]
    assert done == {"mode": "forgive", "subscriptions": 1, "plans": plans}
    [row] = world.rows("SELECT * FROM subscriptions")
    assert row["catch_up_mode"] == "forgive"
    [line] = billing("catch-up", "--preview", "--json").json["plans"]
    assert (line["bill"], line["waive"], line["ask"]) == (1, 10, 0)
    words = ("catch-up", "apply", "--mode", "bill_all", "--subscription", late["subscription"], "--yes")
    assert "Decided bill_all for 1 subscriptions" in billing(*words).out
    words = ("catch-up", "apply", "--mode", "bill_all", "--plan", late["plan"], "--yes")
    assert "Decided bill_all for 1 subscriptions" in billing(*words).out


def test_what_is_wrong_with_a_decision_is_said_in_one_line(billing: Command, subscription_id: str) -> None:
    apply = ("catch-up", "apply", "--yes", "--mode")
    billing(*apply, "ask", "--all").refuses(2, "mode", "bill_all, latest_only, forgive")
    billing(*apply, "forgive").refuses(2, "name one", "--all")
    billing(*apply, "forgive", "--all", "--plan", "plan_0").refuses(2, "name one")
    billing(*apply, "forgive", "--plan", "plan_0").refuses(1, "plan list")
    billing(*apply, "forgive", "--subscription", "sub_0").refuses(1, "subscription list")
    billing(*apply, "forgive", "--subscription", subscription_id).refuses(1, "has no late period")
    assert billing("catch-up", "--preview").out == "Nothing is late.\n"


@pytest.mark.parametrize(
    "before",
    [("--preview",), ("--plan", "plan_other"), ("--subscription", "sub_other"), ("--mode", "ask"), ("--json",)],
)
def test_what_stands_before_apply_is_refused_and_never_decided_for_everybody(
    billing: Command,
    late: dict[str, str],  # noqa: ARG001 - a subscription is late
    world: World,
    before: tuple[str, ...],
) -> None:
    """It once decided for all when the operator asked for a preview, or named one subscription."""
    apply = ("apply", "--mode", "forgive", "--all", "--yes")
    said = billing("catch-up", *before, *apply)
    assert said.status == 2
    assert before[0] in said.err
    assert said.out == ""
    assert world.rows("SELECT FROM subscriptions WHERE catch_up_mode IS NOT NULL") == []


def test_the_report_says_how_late_work_goes_down(
    billing: Command, late: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert late
    books = billing("report", "--json").json
    assert (books["standing"]["late"], books["drain"]["late"], books["drain"]["per_minute"]) == (1, 1, 600)
    assert "1 late, draining at 600/min, done about " in billing("report").out
    monkeypatch.setenv("BILLING_CATCH_UP_RATE", "0")
    assert "1 late, draining as fast as the workers can" in billing("report").out
