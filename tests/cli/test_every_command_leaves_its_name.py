"""No action is anonymous: each command that changes something logs its actor, and none is forgotten here."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_helpers import Command
from sqlalchemy import text
from typer.main import get_command

from billing_worker.adapters.notifier import WebhookNotifier
from billing_worker.cli.commands import assemble
from billing_worker.cli.session import whoami
from billing_worker.domain.alerts import AlertKind
from billing_worker.ports.outgoing import Refusal
from tests.support.receivers import Merchant
from tests.support.sandbox import Sandbox
from tests.support.world import World

ME = f"cli:{whoami()}"
SECRET = "whsec_" + "bmV3IHNlY3JldCBvZiBhdCBsZWFzdCAyNCBieXRlcw=="
SHOP = "https://shop.example/events"

ONLY_LOOKS = {"list", "show", "fallbacks"}
NOBODYS_CHANGE = {
    *("demo", "up", "web", "sandbox", "simulate", "settings", "doctor", "db check", "db upgrade"),
    *("why", "report", "decline explain", "decline unknown", "dunning preview", "dunning advise", "dunning simulate"),
    *("dunning report", "dunning compare"),
    *("audit", "reconcile", "schedule compare", "key refresh", "notice kinds", "notice preview"),
}
"""Processes, questions, and what records only what the gateway says: that is the worker's own doing."""
CHANGES = {
    *("card-session create", "key set-pg", "key set-expiry"),
    *("subscription add-fallback", "subscription remove-fallback"),
    *(
        "plan create",
        "plan set-catch-up",
        "plan set-notices",
        "plan set-dunning",
        "dunning create",
        "dunning split",
        "key register",
        "key issue",
        "key replace",
        "key delete",
        "key set-email",
        "key set-pg",
        "key reactivate",
        "key issuing-payment",
    ),
    *("payment create", "payment cancel", "payment by-card"),
    *("subscription create", "subscription cancel", "subscription set-key", "subscription set-collection"),
    "subscription set-dunning",
    *("schedule use", "invoice retry", "refund create", "import csv", "import portone"),
    *("event replay", "event endpoint", "alert close", "inbox replay", "catch-up apply"),
    "customer forget",
    *("breaker trip", "breaker clear", "breaker claim", "token create", "token revoke"),
}

Added = Callable[[], set[tuple[str, str]]]


@pytest.fixture
def added(world: World) -> Added:
    """What was kept since it was asked last, all of it by whom this test is."""
    seen = [0]

    def new() -> set[tuple[str, str]]:
        rows = world.rows("SELECT * FROM actions WHERE id > :seen", seen=seen[0])
        seen[0] = max([seen[0], *(row["id"] for row in rows)])
        assert {row["actor"] for row in rows} <= {ME}
        return {(row["verb"], row["subject_id"]) for row in rows}

    return new


def test_every_command_is_among_them() -> None:
    found: set[str] = set()
    for name, command in get_command(assemble((), everything=True)).commands.items():  # type: ignore[attr-defined] # a group
        parts = getattr(command, "commands", None)
        found |= {name} if parts is None else {f"{name} {part}" for part in parts if part not in ONLY_LOOKS}
    assert found == NOBODYS_CHANGE | CHANGES


def test_dunning_policies(billing: Command, added: Added) -> None:
    plan = billing("plan", "create", "Basic", "--amount", "9900", "--interval", "month", "--json").json["id"]
    key = billing("key", "register", "nice-ok-lee-1", "--pg", "nice_v2", "--json").json["id"]
    wanted = ("--plan", plan, "--key", key, "--customer", "lee", "--json")
    made = billing("subscription", "create", *wanted).json["id"]
    added()
    billing("dunning", "create", "slow", "--definition", '{"steps": ["9d"]}')
    assert added() == {("dunning_policy.created", "slow@1")}
    billing("plan", "set-dunning", plan, "slow")
    assert added() == {("plan.changed", plan)}
    billing("subscription", "set-dunning", made, "slow")
    assert added() == {("subscription.changed", made)}
    billing("dunning", "split", plan, "slow", "default")
    assert added() == {("plan.changed", plan)}


def test_a_customer_that_is_forgotten(billing: Command, added: Added, world: World) -> None:
    plan = billing("plan", "create", "Basic", "--amount", "9900", "--interval", "month", "--json").json["id"]
    key = billing("key", "register", "nice-ok-park-1", "--pg", "nice_v2", "--json").json["id"]
    made = billing("subscription", "create", "--plan", plan, "--key", key, "--customer", "park", "--json").json["id"]
    billing("subscription", "cancel", made)
    billing("key", "delete", key, "--reason", "the customer left")
    with world.engine.begin() as connection:  # as a worker does when PortOne has answered
        connection.exec_driver_sql("UPDATE key_calls SET status = 'done', closed_at = now(), next_step_at = NULL")
    added()
    billing("customer", "forget", "park")
    assert added() == set()
    billing("customer", "forget", "park", "--yes")
    assert added() == {("customer.forgotten", "park")}


def test_plans_keys_and_subscriptions(
    billing: Command, added: Added, here: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SECRET", "s" * 32), ("URL", "https://billing.example.com")):
        monkeypatch.setenv(f"BILLING_CARD_PAGE_{name}", value)
    monkeypatch.setenv("BILLING_IMP_CODE", "imp12345678")
    plan = billing("plan", "create", "Basic", "--amount", "9900", "--interval", "month", "--json").json["id"]
    assert added() == {("plan.created", plan)}
    billing("plan", "set-catch-up", plan, "--mode", "forgive")
    assert added() == {("plan.changed", plan)}
    billing("plan", "set-notices", plan, "failed,recovered")
    assert added() == {("plan.changed", plan)}
    page = billing("card-session", "create", "--pg", "kakaopay", "--customer", "kim", "--json").json
    assert added() == {("card_session.created", page["id"])}
    assert billing("card-session", "show", page["id"], "--json").json == page
    key = billing("key", "register", "nice-ok-kim-1", "--pg", "nice_v2", "--json").json["id"]
    other = billing("key", "register", "nice-ok-kim-2", "--pg", "nice_v2", "--json").json["id"]
    assert added() == {("key.registered", key), ("key.registered", other)}
    billing("key", "set-pg", key, "--pg", "kcp_billing")
    assert added() == {("key.changed", key)}
    billing("key", "set-email", key, "--email", "kim@example.com")
    assert added() == {("key.changed", key)}
    billing("key", "set-expiry", key, "2031-04")
    assert added() == {("key.changed", key)}
    words = ("subscription", "create", "--plan", plan, "--key", key, "--customer", "kim", "--json")
    made = billing(*words).json["id"]
    assert added() == {("subscription.created", made)}
    billing("subscription", "set-key", made, other)
    assert added() == {("subscription.key_replaced", made)}
    with world.engine.begin() as connection:
        active = "UPDATE billing_keys SET status = 'active', waits_for = NULL, next_look_at = NULL"
        connection.execute(text(active))
    consent = ("--consent-at", "2020-01-01T00:00:00Z", "--consent", "clause 4")
    billing("subscription", "add-fallback", made, "--key", key, *consent)
    assert added() == {("subscription.fallback_added", made)}
    assert [each["consent"] for each in billing("subscription", "fallbacks", made, "--json").json] == ["clause 4"]
    billing("subscription", "remove-fallback", made, "--key", key)
    assert added() == {("subscription.fallback_removed", made)}
    billing("subscription", "set-collection", made, "portone_schedule")
    assert added() == {("subscription.changed", made)}
    billing("schedule", "use", "worker", "--all", "--yes")
    assert added() == {("subscription.changed", made)}
    billing("subscription", "cancel", made, "--at-period-end")
    assert added() == {("subscription.cancel_scheduled", made)}
    billing("subscription", "cancel", made)
    assert added() == {("subscription.canceled", made)}
    (here / "c.csv").write_text(f"customer_uid,pg_provider,plan_id,customer\nlee-1,nice_v2,{plan},lee\n")
    billing("import", "csv", "c.csv")
    assert sorted(verb for verb, _ in added()) == ["key.registered", "subscription.created"]
    billing("token", "create", "shop", "--scope", "read")
    billing("token", "revoke", "shop")
    assert added() == {("token.created", "token:shop"), ("token.revoked", "token:shop")}


def test_customers_who_move_in(billing: Command, added: Added, here: Path, with_gateway: Sandbox) -> None:
    assert with_gateway
    plan = billing("plan", "create", "Basic", "--amount", "9900", "--interval", "month", "--json").json["id"]
    assert added() == {("plan.created", plan)}
    start = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    (here / "p.csv").write_text(f"customer_uid,customer,start\nok-name-1,park,{start}\n")
    billing("import", "portone", "p.csv", "--plan", plan)
    assert added() == set()
    billing("import", "portone", "p.csv", "--plan", plan, "--apply")
    assert sorted(verb for verb, _ in added()) == ["key.registered", "subscription.created"]


def test_keys_from_card_data(
    billing: Command, added: Added, with_gateway: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_gateway
    monkeypatch.setenv("BILLING_CARD_ENTRY", "true")

    def issued(*words: str) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO('{"card_number": "4242424242424242", "expiry": "2031-04"}'))
        return str(billing(*words, "--card-from-stdin", "--json").json["id"])

    key = issued("key", "issue", "user-by-card-1", "--pg", "nice_v2")
    assert added() == {("key.issue_requested", key)}
    other = issued("key", "replace", key)
    assert added() == {("key.issue_requested", other)}
    billing("key", "delete", key, "--reason", "r")
    assert added() == {("key.delete_requested", key)}
    paid = issued("payment", "by-card", "--pg", "nice_v2", "--amount", "500")
    assert added() == {("payment.created", paid)}
    assert billing("payment", "show", paid, "--json").json["status"] == "paid"


def test_single_payments(billing: Command, added: Added, key_id: str) -> None:
    words = ("payment", "create", "--key", key_id, "--amount", "500", "--order-id", "order-1")
    made = billing(*words, "--at", (datetime.now(UTC) + timedelta(days=1)).isoformat(), "--json").json["id"]
    assert {verb for verb, _ in added()} >= {"payment.created"}
    assert made in billing(*words).err
    assert "order-1" in billing("payment", "list").out
    billing("payment", "cancel", made)
    assert added() == {("payment.canceled", made)}
    assert "canceled already" in billing("payment", "cancel", made).err
    assert "tax_free" in billing(*words[:6], "--tax-free", "501").err


def test_money(billing: Command, added: Added, world: World, with_gateway: Sandbox) -> None:
    assert with_gateway
    paid, declined = world.subscribe(), world.subscribe("decline-limit")
    lost = world.key("decline-stolen")
    world.subscribe(key=lost)
    world.settle()
    assert world.rows("SELECT DISTINCT actor FROM actions") == [{"actor": "worker"}]
    with world.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM actions")
    invoice = world.invoice(declined).id
    billing("invoice", "retry", invoice)
    assert added() == {("invoice.retried", invoice)}
    words = ("refund", "create", world.invoice(paid).id, "--amount", "1000", "--reason", "r", "--json")
    refund = billing(*words).json["id"]
    assert added() == {("refund.requested", refund)}
    billing("key", "reactivate", lost.id)
    assert added() == {("key.reactivated", lost.id)}
    billing("breaker", "trip", "--all", "--reason", "r")
    billing("breaker", "clear", str(billing("breaker", "list", "--json").json[0]["id"]), "--note", "n")
    assert {verb for verb, _ in added()} == {"stop.opened", "stop.cleared"}
    billing("breaker", "claim", "--yes")
    assert added() == {("environment.claimed", "environment")}


def test_what_the_payment_of_a_key_pays(billing: Command, added: Added, world: World) -> None:
    uid, key, issued = world.paymentwall_key()
    assert key is not None
    with world.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM actions")
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.settle()
    assert world.key_now(key).issue is not None
    billing("key", "issuing-payment", key.id, "--counts-for-none")
    assert added() == {("key.issuing_payment_decided", key.id)}


def test_alerts_and_notifications(billing: Command, added: Added, world: World, with_gateway: Sandbox) -> None:
    assert with_gateway
    with world.ports.database.transaction() as uow:
        uow.alerts.open(AlertKind.MISMATCH, "att_1", {"reason": "something"}, world.clock.moment())
        uow.commit()
    (alert,) = (row["id"] for row in world.rows("SELECT id FROM alerts"))
    billing("alert", "close", str(alert))
    assert added() == {("alert.closed", f"alert:{alert}")}
    numbers = [world.pingback(f"customer-uid-{number}", "999", f"b{number}") for number in range(3)]
    world.apply()
    billing("inbox", "replay", "--status", "ignored", "--yes")
    assert added() == {("notifications.replayed", "inbox")}
    billing("inbox", "replay", str(numbers[0]))
    assert added() == {("notification.replayed", f"notification:{numbers[0]}")}


def test_events(billing: Command, added: Added, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_EVENTS_URL", SHOP)
    monkeypatch.setenv("BILLING_EVENTS_SECRET", SECRET)
    merchant = Merchant(address=WebhookNotifier(SHOP, SECRET).address)
    told = world.with_ports(notifier=merchant)
    told.subscribe()
    merchant.refuses = lambda _message: Refusal("the receiver answered HTTP 410", gone=True)
    told.deliver()
    with world.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM actions")
    billing("event", "endpoint", "enable")
    assert added() == {("events.endpoint_enabled", "endpoint")}
    event = world.rows("SELECT id FROM outbox")[0]["id"]
    billing("event", "replay", event)
    assert added() == {("event.replayed", event)}
    billing("event", "replay", "--since", "2020-01-01", "--yes")
    assert added() == {("events.replayed", "endpoint")}


@pytest.mark.parametrize("by", ["--plan", "--subscription"])
def test_late_periods(billing: Command, added: Added, world: World, key_id: str, by: str) -> None:
    words = ("--amount", "1000", "--interval", "day", "--catch-up", "ask", "--catch-up-max-age", "30", "--json")
    plan = billing("plan", "create", "Daily", *words).json["id"]
    made = billing("subscription", "create", "--plan", plan, "--key", key_id, "--customer", "kim", "--json").json["id"]
    start = datetime.now(UTC) - timedelta(days=10, hours=1)
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE subscriptions SET anchor = %(at)s, next_period_start = %(at)s", {"at": start}
        )
    added()
    subject = {"--plan": plan, "--subscription": made}[by]
    billing("catch-up", "apply", "--mode", "forgive", by, subject, "--yes")
    assert added() == {("catch_up.decided", subject)}
    told = billing("why", made).out
    assert f"{ME}: catch_up.decided {subject}" in told
