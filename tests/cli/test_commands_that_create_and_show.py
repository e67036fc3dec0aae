import pytest
from cli_helpers import Command

from tests.support.world import World


def test_a_plan_is_created_listed_and_shown(billing: Command) -> None:
    made = billing("plan", "create", "Basic", "--amount", "9900", "--interval", "month", "--json").json
    assert (made["amount"], made["currency"], made["interval"], made["interval_count"]) == (9900, "KRW", "month", 1)
    assert made["timezone"] == "Asia/Seoul"
    assert made["dunning_policy"] == "default"
    assert made["created_at"].endswith("Z")
    assert billing("plan", "show", made["id"], "--json").json == made
    assert billing("plan", "list", "--json").json == [made]


def test_a_cron_plan_keeps_its_expression_zone_and_dunning(billing: Command) -> None:
    words = ("--cron", "0 9 L * *", "--timezone", "America/New_York", "--dunning-days", "2,2", "--currency", "USD")
    made = billing("plan", "create", "End", "--amount", "1999", *words, "--json").json
    assert (made["cron"], made["interval"], made["timezone"]) == ("0 9 L * *", None, "America/New_York")
    assert made["dunning_policy"] == "days-2-2"
    assert "19.99 USD" in billing("plan", "show", made["id"]).out


def test_a_plan_without_a_second_try_is_possible(billing: Command) -> None:
    words = ("--amount", "1", "--interval", "day", "--dunning-days", "")
    assert billing("plan", "create", "Once", *words, "--json").json["dunning_policy"] == "none"


def test_money_and_times_are_shown_as_people_write_them(billing: Command, plan_id: str) -> None:
    shown = billing("plan", "show", plan_id).out
    assert "9,900 KRW" in shown
    assert " KST" in shown


def test_times_are_shown_in_the_zone_of_the_settings_and_in_json_in_utc(
    billing: Command, plan_id: str, monkeypatch
) -> None:
    monkeypatch.setenv("BILLING_TIMEZONE", "UTC")
    assert " UTC" in billing("plan", "show", plan_id).out
    assert billing("plan", "show", plan_id, "--json").json["created_at"].endswith("Z")


def test_a_key_is_registered_listed_and_shown_with_its_uid_masked(billing: Command) -> None:
    said = billing("key", "register", "customer-42-card-1", "--pg", "nice_v2", "--buyer-name", "Kim", "--json")
    made = said.json
    assert (made["status"], made["buyer_name"], made["customer_uid"]) == ("pending", "Kim", "cust…-1")
    assert made["waits_for"] == "unreadable", "no gateway is set here"
    assert billing("key", "show", made["id"], "--json").json == made
    (listed,) = billing("key", "list", "--json").json
    assert {name: made[name] for name in listed} == listed
    for words in (("key", "list"), ("key", "list", "--json"), ("key", "show", made["id"])):
        assert "customer-42-card-1" not in billing(*words).out
    assert "customer-42-card-1" not in said.out


def test_a_paymentwall_key_waits(billing: Command) -> None:
    buyer = ("--buyer-name", "Gildong Hong", "--buyer-email", "gildong@example.com")
    tied = ("--goodsid", "gold")
    made = billing("key", "register", "pw-1", "--pg", "paymentwall", *buyer, *tied, "--json").json
    assert (made["status"], made["goodsid"]) == ("pending", "gold")


def test_a_subscription_is_created_listed_shown_and_explained(billing: Command, plan_id: str, key_id: str) -> None:
    words = ("--plan", plan_id, "--key", key_id, "--customer", "김철수", "--start", "2099-03-31T09:00:00+09:00")
    made = billing("subscription", "create", *words, "--json").json
    assert (made["status"], made["customer"], made["start"]) == ("pending", "김철수", "2099-03-31T00:00:00Z")
    assert billing("subscription", "list", "--json").json == [made]
    assert billing("subscription", "list", "--status", "canceled", "--json").json == []
    assert billing("subscription", "show", made["id"], "--json").json == made | {"invoices": []}
    told = billing("why", made["id"], "--json").json
    assert told["answer"].startswith("It is pending")
    assert set(told) == {"subject", "answer", "history", "actions", "next", "ways_out", "alerts", "notices"}
    assert "Next: The next period begins" in billing("why", made["id"]).out


def test_a_subscription_is_canceled_once(billing: Command, subscription_id: str) -> None:
    assert billing("subscription", "cancel", subscription_id, "--at-period-end", "--json").json["cancel_at_period_end"]
    assert billing("subscription", "cancel", subscription_id, "--json").json["status"] == "canceled"
    billing("subscription", "cancel", subscription_id).refuses(1, "is canceled already")


def test_a_subscription_is_charged_on_another_key(billing: Command, subscription_id: str) -> None:
    other = billing("key", "register", "nice-ok-kim-2", "--pg", "nice_v2", "--json").json["id"]
    assert billing("subscription", "set-key", subscription_id, other, "--json").json["billing_key_id"] == other


def test_invoices_are_listed_shown_tried_again_and_explained(billing: Command, world: World) -> None:
    subscription = world.subscribe(key=world.key("decline-limit"))
    world.tick()
    [invoice] = billing("invoice", "list", "--json").json
    assert (invoice["status"], invoice["attempt_count"], invoice["amount"]) == ("open", 1, 9900)
    assert billing("invoice", "list", "--status", "paid", "--json").json == []
    shown = billing("invoice", "show", invoice["id"], "--json").json
    assert [attempt["status"] for attempt in shown["attempts"]] == ["declined"]
    assert "declined" in billing("invoice", "show", invoice["id"]).out
    assert billing("why", invoice["id"], "--json").json["history"]
    again = billing("invoice", "retry", invoice["id"], "--json").json
    assert again["next_attempt_at"] != invoice["next_attempt_at"]
    assert [each["id"] for each in billing("subscription", "show", subscription.id, "--json").json["invoices"]] == [
        invoice["id"]
    ]


def test_the_report_shows_months_standing_and_alerts(billing: Command, world: World) -> None:
    world.subscribe(key=world.key("ok"))
    world.tick()
    books = billing("report", "--json").json
    [month] = books["months"]
    assert (month["invoices"], month["paid"], month["paid_amount"]) == (1, 1, 9900)
    assert books["standing"]["due"] == 0
    assert books["alerts"] == []
    text = billing("report").out
    assert "9,900 KRW" in text
    assert "in dunning" in text


def test_an_empty_list_says_what_to_do(billing: Command) -> None:
    assert "billing-worker plan create" in billing("plan", "list").out
    assert billing("plan", "list", "--json").json == []


def test_text_from_outside_cannot_steer_the_terminal(
    billing: Command, plan_id: str, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    words = ("--plan", plan_id, "--key", key_id, "--customer")
    refused = billing("subscription", "create", *words, "kim \x1b]0;owned\x07")
    assert refused.status == 2
    assert "\x1b" not in refused.err
    assert billing("subscription", "create", *words, "[red]kim[/] :smile:").status == 0
    shown = billing("subscription", "list").out
    assert "\x1b" not in shown
    assert "[red]kim[/]" in shown
    assert ":smile:" in shown


def test_every_setting_is_listed_and_no_secret_is_shown(billing: Command, monkeypatch) -> None:
    monkeypatch.setenv("BILLING_API_TOKEN", "token-that-nobody-sees")
    monkeypatch.setenv("BILLING_PORTONE_IMP_KEY", "key-that-nobody-sees")
    monkeypatch.setenv("BILLING_PORTONE_IMP_SECRET", "secret-that-nobody-sees")
    monkeypatch.setenv("BILLING_BROKER_URL", "redis://:password-that-nobody-sees@127.0.0.1:6379/0")
    rows = billing("settings", "--json").json
    values = {row["variable"]: row["value"] for row in rows}
    assert values["BILLING_BROKER_URL"] == "redis://:***@127.0.0.1:6379/0"
    assert values["BILLING_WEB_PORT"] == 8000
    assert all(row["meaning"] for row in rows)
    assert "that-nobody-sees" not in str(rows) + billing("settings").out


def test_the_database_check_says_that_it_is_ready(billing: Command) -> None:
    assert billing("db", "check", "--json").json == {"ready": True}


def test_an_unpaid_customer_is_told_to_be_canceled_at_once_whatever_was_asked_for(
    billing: Command, subscription_id: str, world: World
) -> None:
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE subscriptions SET status = 'unpaid'")
    said = billing("subscription", "cancel", subscription_id, "--at-period-end")
    assert said.out.startswith(f"Subscription {subscription_id} is canceled")
