"""Lists go on to their end; customers, and what a merchant wrote on a thing, are found."""

from cli_helpers import Command

MANY = 1_203
"""More than two parts of a list."""


def test_a_list_streams_to_its_end(billing: Command, plan_id: str, database_url: str) -> None:
    from sqlalchemy import create_engine, text  # noqa: PLC0415 - for this one test

    engine = create_engine(database_url)
    with engine.begin() as connection:
        copy = text(
            "INSERT INTO plans SELECT (jsonb_populate_record(p, jsonb_build_object('id', 'plan_' || g))).*"
            " FROM plans p, generate_series(1, :many) g WHERE p.id = :plan"
        )
        connection.execute(copy, {"many": MANY - 1, "plan": plan_id})
    engine.dispose()
    everything = billing("plan", "list", "--all", "--json")
    found = [plan["id"] for plan in everything.json]
    assert len(found) == len(set(found)) == MANY
    assert len(billing("plan", "list", "--json").json) == 50
    assert len(billing("plan", "list", "--limit", "600", "--json").json) == 600
    lines = billing("plan", "list", "--all").out.splitlines()
    assert len(lines) == MANY + 1
    assert sum(line.startswith("id ") for line in lines) == 1


def test_an_empty_list_is_an_empty_array(billing: Command) -> None:
    for words in (("plan", "list"), ("invoice", "list", "--all"), ("event", "list"), ("inbox", "list")):
        assert billing(*words, "--json").json == []


def test_lists_are_cut_by_customer_plan_key_and_time(billing: Command, subscription_id: str, plan_id: str) -> None:
    def found(*words: str) -> list[str]:
        return [each["id"] for each in billing("subscription", "list", *words, "--json").json]

    assert found("--customer", "kim", "--plan", plan_id) == [subscription_id]
    assert found("--customer", "lee") == []
    assert found("--created-after", "2000-01-01", "--created-before", "2199-01-01") == [subscription_id]
    assert found("--created-before", "2000-01-01") == []
    billing("subscription", "list", "--created-after", "yesterday").refuses(2, "created_after", "yesterday")
    assert len(billing("key", "list", "--customer", "kim", "--json").json) == 1
    assert billing("invoice", "list", "--customer", "kim", "--json").json == []


def test_a_customer_is_shown(billing: Command, subscription_id: str) -> None:
    shown = billing("customer", "show", "kim", "--json").json
    assert [each["id"] for each in shown["subscriptions"]] == [subscription_id]
    assert [(each["subscription_id"], each["amount"], each["currency"]) for each in shown["next"]] == [
        (subscription_id, 9900, "KRW")
    ]
    text = billing("customer", "show", "kim").out
    for word in ("customer kim", "subscriptions", "billing keys", "what comes next", "9,900 KRW"):
        assert word in text
    billing("customer", "show", "lee").refuses(1, "no customer 'lee'", "subscription list")
    assert subscription_id in billing("why", "kim").out


def test_what_a_merchant_writes_on_a_thing_is_kept_and_a_repeat_names_the_first(billing: Command, key_id: str) -> None:
    words = ("--amount", "9900", "--interval", "month", "--external-id", "order-1", "--metadata", "team=sales")
    plan = billing("plan", "create", "Basic", *words, "--json").json
    assert (plan["external_id"], plan["metadata"]) == ("order-1", {"team": "sales"})
    assert "team=sales" in billing("plan", "show", plan["id"]).out
    again = billing("plan", "create", "Basic", *words, "--json")
    assert (again.status, again.error["existing_id"]) == (1, plan["id"])
    subscribe = ("subscription", "create", "--plan", plan["id"], "--key", key_id, "--customer", "park")
    first = billing(*subscribe, "--json").json["id"]
    billing(*subscribe).refuses(1, first, "allow_duplicate")
    assert billing(*subscribe, "--allow-duplicate", "--json").json["allow_duplicate"] is True
    slip = ("plan", "create", "Basic", "--amount", "1", "--interval", "day", "--metadata")
    billing(*slip, "team").refuses(2, "metadata", "NAME=VALUE")
    billing(*slip, "a=1", "--metadata", "a=2").refuses(2, "metadata", "twice")
