"""One request, one effect: with an Idempotency-Key a repeat changes nothing and gets the first answer again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from web_calls import HINT, PLAN, assert_problem, eventually
from web_helpers import Web

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.retention import Retention
from billing_worker.usecases.access.requests import OneEffect
from billing_worker.usecases.incoming import tidy
from billing_worker.web.api import plans

KEY = {"Idempotency-Key": "order-1001"}
CARD = {"card_number": "4242-4242-4242-4242", "expiry": "2031-04"}


def wanted(web: Web, customer: str = "user-1", **more: Any) -> dict[str, Any]:
    plan = web.create("plans", **PLAN)
    key = web.create("billing-keys", customer_uid=f"{customer}-card", pg_provider="nice_v2")
    return {"plan_id": plan["id"], "billing_key_id": key["id"], "customer": customer} | more


def same(first: httpx.Response, again: httpx.Response) -> None:
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["request-id"] != first.headers["request-id"]


def test_the_same_subscription_asked_for_twice_is_one_subscription(web: Web) -> None:
    body = wanted(web)
    first = web.api.post("/v1/subscriptions", json=body, headers=KEY)
    assert first.status_code == 201
    for _ in range(3):
        same(first, web.api.post("/v1/subscriptions", json=body, headers=KEY))
    assert web.count("subscriptions") == 1
    assert web.count("outbox") == 1


def test_twenty_equal_requests_at_once_have_one_effect(web: Web) -> None:
    body = wanted(web, allow_duplicate=True)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: web.api.post("/v1/subscriptions", json=body, headers=KEY), range(20)))
    made = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in made}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in made) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.headers["retry-after"] == "1"
            assert "still being served" in assert_problem(answer, 409, "Idempotency-Key")
    assert web.count("subscriptions") == 1


def test_while_the_first_is_served_a_repeat_is_told_to_come_again(web: Web) -> None:
    body = wanted(web)
    first = OneEffect.begin(web.ports, "order-1001", "whatever it is")
    answer = web.api.post("/v1/subscriptions", json=body, headers=KEY)
    assert_problem(answer, 409, "Idempotency-Key")
    assert answer.headers["retry-after"] == "1"
    first.abandon()
    assert web.api.post("/v1/subscriptions", json=body, headers=KEY).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "change"),
    [
        ("POST", "/v1/subscriptions", {"customer": "user-2"}),
        ("POST", "/v1/subscriptions?x=1", {}),
        ("POST", "/v1/plans", {}),
        ("PUT", "/v1/subscriptions/sub_1/billing-key", {}),
    ],
)
def test_a_key_stands_for_one_method_address_and_body(web: Web, method: str, path: str, change: dict[str, str]) -> None:
    body = wanted(web)
    first = web.api.post("/v1/subscriptions", json=body, headers=KEY)
    other = web.api.request(method, path, json=body | change, headers=KEY)
    assert "another method, address or body" in assert_problem(other, 422, "Idempotency-Key")
    assert other.json()["type"].endswith(":idempotency_key_reused")
    same(first, web.api.post("/v1/subscriptions", json=body, headers=KEY))


def test_a_refusal_is_given_again_although_the_request_would_do_now(web: Web) -> None:
    body = wanted(web)
    live = web.create("subscriptions", **body)
    refused = web.api.post("/v1/subscriptions", json=body, headers=KEY)
    assert_problem(refused, 409, "customer")
    web.api.post(f"/v1/subscriptions/{live['id']}/cancel", json={})
    same(refused, web.api.post("/v1/subscriptions", json=body, headers=KEY))
    missing = web.api.post("/v1/invoices/inv_none/retry", headers={"Idempotency-Key": "a"})
    same(missing, web.api.post("/v1/invoices/inv_none/retry", headers={"Idempotency-Key": "a"}))
    malformed = {"content": b"{", "headers": {"Idempotency-Key": "b", "Content-Type": "application/json"}}
    same(web.api.post("/v1/plans", **malformed), web.api.post("/v1/plans", **malformed))
    assert web.count("subscriptions") == 1


def test_who_may_not_ask_keeps_nothing_and_reads_nothing(web: Web) -> None:
    nobody = KEY | {"Authorization": "Bearer wrong"}
    assert_problem(web.api.post("/v1/plans", json=PLAN, headers=nobody), 401)
    first = web.api.post("/v1/plans", json=PLAN, headers=KEY)
    assert first.status_code == 201
    assert_problem(web.api.post("/v1/plans", json=PLAN, headers=nobody), 401)
    same(first, web.api.post("/v1/plans", json=PLAN, headers=KEY))


def test_what_failed_on_our_side_is_undone_as_a_whole_and_may_be_repeated(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = wanted(web)

    def fail(*_: Any) -> None:
        raise RuntimeError("a mistake of ours, after the effect")

    with monkeypatch.context() as broken:
        broken.setattr("billing_worker.web.api.subscriptions.of_subscription", fail)
        assert_problem(web.api.post("/v1/subscriptions", json=body, headers=KEY), 500)
    assert (web.count("subscriptions"), web.count("kept_answers")) == (0, 0)
    assert web.api.post("/v1/subscriptions", json=body, headers=KEY).status_code == 201
    assert web.count("subscriptions") == 1


def test_a_server_that_went_away_between_two_requests_is_no_mistake_of_ours(web: Web) -> None:
    """After a restart of PostgreSQL the pool's connections are dead, and still unnoticed."""
    web.create("plans", **PLAN)
    for number in range(3):
        web.end_sessions()
        key = {"Idempotency-Key": f"after-restart-{number}"}
        answer = web.api.post("/v1/plans", json=PLAN, headers=key)
        if answer.status_code != 201:
            assert_problem(answer, 503)
            assert answer.headers["retry-after"]
            answer = web.api.post("/v1/plans", json=PLAN, headers=key)
        assert answer.status_code == 201
    assert (web.count("plans"), web.count("kept_answers")) == (4, 3)


@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
def test_a_server_that_goes_away_within_a_request_leaves_neither_effect_nor_answer(
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    after: bool,  # noqa: FBT001 - one of the parametrized values
) -> None:
    real = plans.create_plan

    def cut_off(*given: Any, **named: Any) -> Any:
        made = real(*given, **named) if after else None
        web.end_sessions()
        return made or real(*given, **named)

    with monkeypatch.context() as broken:
        broken.setattr(plans, "create_plan", cut_off)
        assert_problem(web.api.post("/v1/plans", json=PLAN, headers=KEY), 503)
    assert (web.count("plans"), web.count("kept_answers")) == (0, 0)
    same(web.api.post("/v1/plans", json=PLAN, headers=KEY), web.api.post("/v1/plans", json=PLAN, headers=KEY))


@pytest.mark.parametrize("key", [b"", b"a b", b"x" * 256, "키".encode()])
def test_a_key_that_is_none_is_refused_and_nothing_is_done(web: Web, key: bytes) -> None:
    assert_problem(web.api.post("/v1/plans", json=PLAN, headers={b"Idempotency-Key": key}), 400, "Idempotency-Key")
    assert web.count("plans") == 0


@pytest.mark.parametrize("key", [b'"a', b'""', b"a,b", b"\\", b"!~"])
def test_any_visible_characters_are_a_key(web: Web, key: bytes) -> None:
    header = {b"Idempotency-Key": key}
    same(web.api.post("/v1/plans", json=PLAN, headers=header), web.api.post("/v1/plans", json=PLAN, headers=header))


def test_two_keys_at_once_are_none(web: Web) -> None:
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert_problem(web.api.post("/v1/plans", json=PLAN, headers=twice), 400, "Idempotency-Key")
    assert web.count("plans") == 0


def test_a_key_in_quotes_as_the_draft_writes_it_is_the_same_key(web: Web) -> None:
    first = web.api.post("/v1/plans", json=PLAN, headers=KEY)
    same(first, web.api.post("/v1/plans", json=PLAN, headers={"Idempotency-Key": '"order-1001"'}))
    longest = {"Idempotency-Key": "x" * 255}
    same(web.api.post("/v1/plans", json=PLAN, headers=longest), web.api.post("/v1/plans", json=PLAN, headers=longest))


def test_without_a_key_and_where_nothing_changes_nothing_is_kept(web: Web) -> None:
    web.create("plans", **PLAN)
    for path in ("/v1/plans", "/v1/report"):
        assert web.api.get(path, headers=KEY).status_code == 200
    assert web.api.post("/webhooks/portone", json=HINT, headers=KEY).status_code == 200
    assert_problem(web.api.post("/v1/nothing", headers=KEY), 404)
    assert_problem(web.api.delete("/v1/plans", headers=KEY), 405)
    assert web.count("kept_answers") == 0


def test_answers_are_kept_for_thirty_days_and_then_swept(web: Web) -> None:
    body = wanted(web)
    first = web.api.post("/v1/subscriptions", json=body, headers=KEY)
    web.clock.advance(seconds=Retention().answers.total_seconds() - 1)
    tidy.tidy(web.ports, tidy.INBOX)
    same(first, web.api.post("/v1/subscriptions", json=body, headers=KEY))
    web.clock.advance(seconds=2)
    tidy.tidy(web.ports, tidy.INBOX)
    assert web.count("kept_answers") == 0
    assert timedelta(days=30) == Retention().answers


def test_a_ring_waits_for_the_commit_and_a_repeat_rings_no_second_time(web: Web) -> None:
    own = web.own_hint()
    web.api.post("/webhooks/portone", json=own)
    eventually(lambda: len(web.doorbell.rings) == 1, "the ring of the webhook itself")
    message = web.rows("SELECT id FROM inbox")[0]["id"]
    kept: list[int] = []
    web.doorbell.on_ring = lambda: kept.append(web.count("kept_answers"))
    for _ in range(3):
        assert web.api.post(f"/v1/inbox/{message}/replay", headers=KEY).status_code == 200
    eventually(lambda: len(web.doorbell.rings) == 2, "one ring for three requests")
    assert kept == [1]


CHANGES: dict[str, Callable[[Web, dict[str, Any]], tuple[str, str, dict[str, Any] | None]]] = {
    "create_dunning_policy": lambda *_: (
        "POST",
        "/v1/dunning-policies",
        {"name": "slow", "definition": {"steps": ["9d"]}},
    ),
    "create_plan": lambda *_: ("POST", "/v1/plans", PLAN),
    "change_plan": lambda _, sub: ("PATCH", f"/v1/plans/{sub['plan_id']}", {"metadata": {"a": "b"}}),
    "register_billing_key": lambda *_: ("POST", "/v1/billing-keys", {"customer_uid": "n-1", "pg_provider": "kakaopay"}),
    "issue_billing_key": lambda *_: (
        "POST",
        "/v1/billing-keys/issue",
        {"customer_uid": "n-2", "pg_provider": "nice_v2", "card": CARD},
    ),
    "delete_billing_key": lambda _, sub: ("DELETE", f"/v1/billing-keys/{sub['billing_key_id']}?reason=r", None),
    "create_card_session": lambda *_: ("POST", "/v1/card-sessions", {"pg": "kakaopay", "customer": "user-1"}),
    "change_billing_key": lambda _, sub: (
        "PATCH",
        f"/v1/billing-keys/{sub['billing_key_id']}",
        {"buyer_email": "a@example.com"},
    ),
    "count_issuing_payment": lambda _, sub: (
        "POST",
        f"/v1/billing-keys/{sub['billing_key_id']}/issuing-payment",
        {"counts_for": None},
    ),
    "subscribe": lambda _, sub: (
        "POST",
        "/v1/subscriptions",
        {name: sub[name] for name in ("plan_id", "billing_key_id", "customer")} | {"allow_duplicate": True},
    ),
    "change_subscription": lambda _, sub: ("PATCH", f"/v1/subscriptions/{sub['id']}", {"metadata": {"a": "b"}}),
    "cancel_subscription": lambda _, sub: ("POST", f"/v1/subscriptions/{sub['id']}/cancel", {}),
    "replace_billing_key": lambda _, sub: (
        "PUT",
        f"/v1/subscriptions/{sub['id']}/billing-key",
        {"billing_key_id": sub["billing_key_id"]},
    ),
    "add_fallback_key": lambda web, sub: (
        "POST",
        f"/v1/subscriptions/{sub['id']}/fallback-keys",
        {"billing_key_id": another_key(web), "consented_at": "2020-01-01T00:00:00Z", "consent": "clause 4"},
    ),
    "remove_fallback_key": lambda web, sub: (
        "DELETE",
        f"/v1/subscriptions/{sub['id']}/fallback-keys/{a_fallback(web, sub)}",
        None,
    ),
    "forget_customer": lambda web, _: ("DELETE", f"/v1/customers/{a_former_customer(web)}", None),
    "create_payment": lambda _, sub: (
        "POST",
        "/v1/payments",
        {"billing_key_id": sub["billing_key_id"], "amount": 100},
    ),
    "create_card_payment": lambda *_: (
        "POST",
        "/v1/payments/by-card",
        {"pg_provider": "nice_v2", "amount": 100, "card": CARD},
    ),
    "cancel_payment": lambda web, sub: ("POST", f"/v1/payments/{a_payment(web, sub)}/cancel", None),
    "retry_invoice": lambda web, sub: ("POST", f"/v1/invoices/{web.open_invoice(sub)}/retry", None),
    "create_refund": lambda web, sub: (
        "POST",
        f"/v1/invoices/{web.open_invoice(sub)}/refunds",
        {"amount": 1, "reason": "r"},
    ),
    "stop_charging": lambda *_: ("POST", "/v1/stops", {"scope": "all", "reason": "r"}),
    "clear_stop": lambda web, _: ("POST", f"/v1/stops/{a_stop(web)}/clear", {"note": "n"}),
    "close_alert": lambda web, _: ("POST", f"/v1/alerts/{an_alert(web)}/close", None),
    "replay_event": lambda web, _: ("POST", f"/v1/events/{an_event(web)}/replay", None),
    "enable_event_endpoint": lambda *_: ("POST", "/v1/events/endpoint/enable", None),
    "replay_inbox": lambda web, _: ("POST", f"/v1/inbox/{a_notification(web)}/replay", None),
}


def a_former_customer(web: Web) -> str:
    plan = web.create("plans", **PLAN)
    key = web.create("billing-keys", customer_uid="n-9", pg_provider="kakaopay")
    made = web.create("subscriptions", plan_id=plan["id"], billing_key_id=key["id"], customer="user-9")
    web.api.post(f"/v1/subscriptions/{made['id']}/cancel", json={})
    with web.engine.begin() as connection:
        invalid = "UPDATE billing_keys SET status = 'invalid', next_look_at = NULL, waits_for = NULL WHERE id = :id"
        connection.execute(text(invalid), {"id": key["id"]})
    return "user-9"


def another_key(web: Web) -> str:
    with web.ports.database.transaction() as uow:
        first = uow.keys.get(web.rows("SELECT id FROM billing_keys")[0]["id"])
        key = replace(first, id="key_another", customer_uid="another-1", status=KeyStatus.ACTIVE, waits_for=None)
        uow.keys.add(replace(key, next_look_at=None, external_id=None))
        uow.commit()
    return "key_another"


def a_fallback(web: Web, sub: dict[str, Any]) -> str:
    wanted = {"billing_key_id": another_key(web), "consented_at": "2020-01-01T00:00:00Z", "consent": "clause 4"}
    return str(web.create(f"subscriptions/{sub['id']}/fallback-keys", **wanted)["billing_key_id"])


def an_event(web: Web) -> str:
    return str(web.rows("SELECT id FROM outbox")[0]["id"])


def a_payment(web: Web, sub: dict[str, Any]) -> str:
    return str(
        web.create(
            "payments",
            billing_key_id=sub["billing_key_id"],
            amount=100,
            at=(web.clock.now() + timedelta(days=1)).isoformat(),
        )["id"]
    )


def a_stop(web: Web) -> int:
    return int(web.create("stops", scope="pg:x", reason="r")["id"])


def an_alert(web: Web) -> int:
    with web.ports.database.transaction() as uow:
        uow.alerts.open(AlertKind.MISMATCH, "att_1", {"reason": "something"}, web.clock.moment())
        uow.commit()
    return int(web.rows("SELECT id FROM alerts")[0]["id"])


def a_notification(web: Web) -> int:
    web.api.post("/webhooks/portone", json=HINT)
    return int(web.rows("SELECT id FROM inbox")[0]["id"])


def test_every_change_that_is_described_is_among_them(web: Web) -> None:
    described = {
        operation["operationId"]
        for path, operations in web.app.openapi()["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/v1/") and method != "get" and operation["x-scope"] != "read"
    }
    assert described == set(CHANGES)


TABLES = ("plans", "billing_keys", "card_sessions", "subscriptions", "invoices", "refunds", "actions")


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_has_one_effect_and_one_answer(web: Web, change: str) -> None:
    subscription = web.subscribed()
    method, path, body = CHANGES[change](web, subscription)
    first = web.api.request(method, path, json=body, headers=KEY)
    assert first.status_code < 500
    before = {table: web.count(table) for table in TABLES}
    for _ in range(2):
        same(first, web.api.request(method, path, json=body, headers=KEY))
    assert {table: web.count(table) for table in before} == before
    assert web.count("kept_answers") == 1


HELD_NOW = {"delete_billing_key", "count_issuing_payment", "create_refund", "enable_event_endpoint"}
"""Changes that something stands against in a world as simple as this one."""


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_keeps_who_made_it_and_a_refused_one_keeps_nothing(web: Web, change: str) -> None:
    subscription = web.subscribed()
    method, path, body = CHANGES[change](web, subscription)
    before = web.count("actions")
    answer = web.api.request(method, path, json=body, headers=KEY)
    kept = web.rows("SELECT actor FROM actions ORDER BY id")[before:]
    assert answer.is_success != (change in HELD_NOW), answer.text
    assert kept == ([] if change in HELD_NOW else [{"actor": "token:setting"}])
