"""Found by what people know: the customer's own id, an external_id, pairs of text; and by the ids of PortOne."""

from typing import Any
from urllib.parse import quote

import pytest
from web_calls import PLAN, assert_problem
from web_helpers import Web

from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.payment import Approved, ChargeRequest, Declined, Outcome
from billing_worker.usecases.key.confirm import confirm
from tests.builders import EVIDENCE, a_payment


def approve(request: ChargeRequest) -> Outcome:
    names = {"merchant_uid": request.merchant_uid, "customer_uid": request.customer_uid, "money": request.money}
    return Approved(a_payment(**names), EVIDENCE)


def decline(_: ChargeRequest) -> Outcome:
    return Declined(normalise("", "한도초과"), "한도초과", EVIDENCE, "imps_000000000009")


def test_a_customer_is_shown_with_everything(web: Web) -> None:
    subscription, paid = web.invoiced()
    web.charge(paid, approve)
    web.clock.advance(days=31)
    owed = web.open_invoice(subscription)
    web.charge(owed, decline)
    shown = web.api.get("/v1/customers/user-1").json()
    assert shown["customer"] == "user-1"
    assert [each["id"] for each in shown["subscriptions"]] == [subscription["id"]]
    assert [each["id"] for each in shown["billing_keys"]] == [subscription["billing_key_id"]]
    assert "user-1-card-1" not in str(shown["billing_keys"])
    assert [each["id"] for each in shown["open_invoices"]] == [owed]
    assert len(shown["last_payments"]) == 1
    assert [(each["subscription_id"], each["invoice_id"], each["amount"]) for each in shown["next"]] == [
        (subscription["id"], owed, 9900),
        (subscription["id"], None, 9900),
    ]
    web.api.post(f"/v1/subscriptions/{subscription['id']}/cancel", json={})
    assert web.api.get("/v1/customers/user-1").json()["next"] == []


@pytest.mark.parametrize("name", ["kim@example.com", "a/b", "홍길동 1", "sub_1", "key_0123456789abcdef", "%", "a?b#c"])
def test_a_customer_is_found_whatever_the_merchant_calls_him(web: Web, name: str) -> None:
    plan = web.create("plans", **PLAN)
    key = web.create("billing-keys", customer_uid="a-card-of-his", pg_provider="nice_v2")
    made = web.create("subscriptions", plan_id=plan["id"], billing_key_id=key["id"], customer=name)
    quoted = "".join(f"%{byte:02X}" for byte in name.encode())
    assert web.api.get(f"/v1/customers/{quoted}").json()["subscriptions"] == [made]
    assert web.api.get("/v1/subscriptions", params={"customer": name}).json()["data"] == [made]
    assert made["id"] in web.api.get(f"/v1/why/{quoted}").json()["subject"]


def test_a_customer_is_forgotten_when_nothing_is_open_any_more(web: Web) -> None:
    plan = web.create("plans", **PLAN)
    key = web.create("billing-keys", customer_uid="a-card-of-hers", pg_provider="nice_v2", buyer_name="홍길동")
    made = web.create("subscriptions", plan_id=plan["id"], billing_key_id=key["id"], customer="user-9")
    refused = assert_problem(web.api.delete("/v1/customers/user-9"), 409, "customer")
    assert made["id"] in refused
    assert web.api.get(f"/v1/billing-keys/{key['id']}").json()["buyer_name"] == "홍길동"
    web.api.post(f"/v1/subscriptions/{made['id']}/cancel", json={})
    web.api.delete(f"/v1/billing-keys/{key['id']}")
    with web.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE key_calls SET status = 'done', closed_at = now(), next_step_at = NULL")
        connection.exec_driver_sql("UPDATE billing_keys SET status = 'invalid', next_look_at = NULL, waits_for = NULL")
    assert web.api.delete("/v1/customers/user-9").json()["billing_keys"] == 1
    assert web.api.get(f"/v1/billing-keys/{key['id']}").json()["buyer_name"] is None
    assert_problem(web.api.delete("/v1/customers/user-8"), 404)


def test_a_customer_who_was_never_subscribed_is_not_there(web: Web) -> None:
    assert_problem(web.api.get("/v1/customers/nobody"), 404)
    assert_problem(web.api.get(f"/v1/customers/{'x' * 121}"), 422, "customer")


def test_why_takes_whatever_names_the_thing(web: Web) -> None:
    plan = web.create("plans", **PLAN)
    labels = {"external_id": "card-of-order-7"}
    key = web.create("billing-keys", customer_uid="user-1-card-1", pg_provider="nice_v2", **labels)
    assert confirm(web.ports, key["id"])
    wanted = {"plan_id": plan["id"], "billing_key_id": key["id"], "customer": "user-1", "external_id": "order-7"}
    subscription = web.create("subscriptions", **wanted)
    invoice_id = web.open_invoice(subscription)
    web.charge(invoice_id, decline)
    for ident, word in (
        ("user-1", subscription["id"]),
        ("order-7", subscription["id"]),
        ("user-1-card-1", key["id"]),
        ("card-of-order-7", key["id"]),
        ("imps_000000000009", invoice_id),
    ):
        assert word in web.api.get(f"/v1/why/{ident}").json()["subject"], ident
    second = web.create("subscriptions", **wanted | {"external_id": "order-8", "allow_duplicate": True})
    told = web.api.get("/v1/why/user-1").json()
    assert told["subject"].startswith("customer user-1: 2 subscriptions")
    assert len([line for line in told["actions"] if "token:setting: subscription.created" in line]) == 2
    assert subscription["id"] in told["answer"]
    assert second["id"] in told["answer"]


@pytest.mark.parametrize("sent", ["cafe\u0301-7", " order-7 ", "order\u00a07", "\u1100\u1161-7"], ids=ascii)
def test_an_id_is_found_in_the_spelling_in_which_it_was_sent(web: Web, sent: str) -> None:
    """A file name of macOS is decomposed; what is kept is composed, without spaces at its ends."""
    plan = web.create("plans", **PLAN, external_id=sent)
    key = web.create("billing-keys", customer_uid="user-1-card-1", pg_provider="nice_v2", external_id=sent)
    wanted = {"plan_id": plan["id"], "billing_key_id": key["id"], "customer": "user-1", "external_id": sent}
    subscription = web.create("subscriptions", **wanted)
    for spelling in (sent, subscription["external_id"]):
        for path, made in (("plans", plan), ("billing-keys", key), ("subscriptions", subscription)):
            found = web.api.get(f"/v1/{path}", params={"external_id": spelling}).json()["data"]
            assert [each["id"] for each in found] == [made["id"]]
        assert subscription["id"] in web.api.get(f"/v1/why/{quote(spelling, safe='')}").json()["subject"]


CREATED: dict[str, dict[str, Any]] = {
    "plans": PLAN,
    "billing-keys": {"customer_uid": "user-9-card", "pg_provider": "nice_v2"},
}


@pytest.mark.parametrize("path", CREATED)
def test_an_external_id_makes_a_repeat_a_conflict_that_names_the_first(web: Web, path: str) -> None:
    body = CREATED[path] | {"external_id": "order-1", "metadata": {"team": "sales"}}
    first = web.create(path, **body)
    assert (first["external_id"], first["metadata"]) == ("order-1", {"team": "sales"})
    again = web.api.post(f"/v1/{path}", json=body)
    assert first["id"] in assert_problem(again, 409)
    assert again.json()["existing_id"] == first["id"]
    assert web.api.get(f"/v1/{path}", params={"external_id": "order-1"}).json()["data"][0]["id"] == first["id"]


def test_a_second_live_subscription_of_a_customer_on_a_plan_must_be_meant(web: Web) -> None:
    first = web.subscribed()
    wanted = {name: first[name] for name in ("plan_id", "billing_key_id", "customer")}
    again = web.api.post("/v1/subscriptions", json=wanted)
    assert "allow_duplicate" in assert_problem(again, 409, "customer")
    assert (again.json()["existing_id"], again.json()["type"].rpartition(":")[2]) == (first["id"], "already_exists")
    assert web.create("subscriptions", **wanted, allow_duplicate=True)["allow_duplicate"] is True
    other = web.create("billing-keys", customer_uid="uid-of-user-2", pg_provider="nice_v2")["id"]
    web.create("subscriptions", **wanted | {"customer": "user-2", "billing_key_id": other})
    for each in web.api.get("/v1/subscriptions?customer=user-1").json()["data"]:
        web.api.post(f"/v1/subscriptions/{each['id']}/cancel", json={})
    web.create("subscriptions", **wanted, external_id="order-2")
    named = web.api.post("/v1/subscriptions", json=wanted | {"external_id": "order-2", "allow_duplicate": True})
    assert_problem(named, 409, "external_id")


def test_metadata_is_merged_and_a_null_takes_a_pair_out(web: Web) -> None:
    subscription = web.subscribed()
    for path, ident in (
        ("plans", subscription["plan_id"]),
        ("billing-keys", subscription["billing_key_id"]),
        ("subscriptions", subscription["id"]),
    ):
        address = f"/v1/{path}/{ident}"
        assert web.api.patch(address, json={"metadata": {"a": "1", "b": "2"}}).json()["metadata"] == {
            "a": "1",
            "b": "2",
        }
        changed = web.api.patch(address, json={"metadata": {"a": None, "b": "3"}}).json()
        assert changed["metadata"] == {"b": "3"}
        assert web.api.get(address).json()["metadata"] == {"b": "3"}


@pytest.mark.parametrize(
    "metadata",
    [
        {str(number): "x" for number in range(21)},
        {"": "x"},
        {"a": ""},
        {"a": "x" * 501},
        {"x" * 41: "x"},
        {"a": 1},
        {"a": {"b": "c"}},
        {"a": "\x00"},
        ["a"],
    ],
    ids=str,
)
def test_metadata_that_is_none_is_refused(web: Web, metadata: Any) -> None:
    answer = web.api.post("/v1/plans", json=PLAN | {"metadata": metadata})
    assert_problem(answer, 422)
    assert answer.json()["field"].startswith("metadata")
    assert web.count("plans") == 0


def test_what_may_not_change_is_refused_by_name(web: Web) -> None:
    subscription = web.subscribed()
    for path, body in (
        (f"plans/{subscription['plan_id']}", {"amount": 1}),
        (f"billing-keys/{subscription['billing_key_id']}", {"customer_uid": "another"}),
        (f"subscriptions/{subscription['id']}", {"customer": "another"}),
    ):
        assert_problem(web.api.patch(f"/v1/{path}", json=body), 422, next(iter(body)))
    plan = web.api.patch(f"/v1/plans/{subscription['plan_id']}", json={"catch_up": "ask", "catch_up_max_age": 9}).json()
    assert (plan["catch_up"], plan["catch_up_max_age"]) == ("ask", 9)


def test_a_cron_plan_is_created_without_an_interval_count(web: Web) -> None:
    made = web.create("plans", name="Month end", amount=9900, currency="KRW", cron="0 9 L * *")
    assert (made["interval"], made["interval_count"], made["cron"]) == (None, None, "0 9 L * *")
    nulls = {"interval": None, "interval_count": None}
    assert web.create("plans", name="M", amount=9900, currency="KRW", cron="0 9 L * *", **nulls)["cron"] == "0 9 L * *"
