"""Payments by card data over HTTP: once, seen by nobody, and only where it is allowed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from web_calls import TOKEN, asked_from, assert_problem
from web_helpers import Web, running

from billing_worker.adapters.portone import PortOneGateway
from billing_worker.web.api.card_keys import CardKeyInput
from billing_worker.web.api.card_payments import CardPaymentInput
from billing_worker.web.fingerprint import COUNTED
from tests.support.databases import Databases
from tests.support.sandbox import IMP_KEY, IMP_SECRET, PATIENCE, Sandbox

NUMBER = "5409600012345677"
CARD = {"card_number": "5409-6000-1234-5677", "expiry": "2031-04", "birth": "880301", "pwd_2digit": "37"}
PATH = "/v1/payments/by-card"


@pytest.fixture(scope="module")
def web_for_cards(databases: Databases, shared_sandbox: Sandbox) -> Iterator[Web]:
    """The application with card entry on, before a real sandbox."""
    gateway = PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=PATIENCE)
    with closing(gateway), databases.migrated() as url, running(url, real_gateway=gateway, card_entry=True) as started:
        yield started


@pytest.fixture
def taking(web_for_cards: Web) -> Web:
    """The same, as if new."""
    web_for_cards.begin_anew()
    return web_for_cards


def body(**changes: Any) -> dict[str, Any]:
    return {"pg_provider": "nice_v2", "amount": 9900, "order_id": f"till-{uuid4().hex[:12]}", "card": CARD} | changes


def taken(sandbox: Sandbox, order: str) -> int:
    return sum(row["merchant_uid"] == order and row["status"] == "paid" for row in sandbox.ledger())


def test_a_card_is_charged_once_and_the_answer_says_so(taking: Web, shared_sandbox: Sandbox) -> None:
    asked = body(customer="user-1", custom_data="till 4")
    answer = taking.api.post(PATH, json=asked)
    assert (answer.status_code, answer.json()["status"]) == (202, "paid"), answer.text
    assert taking.api.get(f"/v1/payments/{answer.json()['id']}").json() == answer.json()
    assert taken(shared_sandbox, asked["order_id"]) == 1
    assert NUMBER not in str(taking.rows("SELECT * FROM evidence")) + answer.text


def test_a_first_payment_leaves_an_active_key(taking: Web) -> None:
    uid = f"left-{uuid4().hex[:12]}"
    paid = taking.api.post(PATH, json=body(customer_uid=uid)).json()
    key = taking.api.get(f"/v1/billing-keys/{paid['billing_key_id']}").json()
    assert (paid["status"], key["status"], key["card_last_digits"]) == ("paid", "active", NUMBER[-4:])


def test_a_repeat_with_the_same_idempotency_key_is_the_same_payment(taking: Web, shared_sandbox: Sandbox) -> None:
    asked, header = body(), {"Idempotency-Key": f"till-{uuid4().hex}"}
    first, again = (taking.api.post(PATH, json=asked, headers=header) for _ in range(2))
    assert (first.status_code, first.json()["status"]) == (202, "open")
    assert again.content == first.content
    assert taking.api.get(f"/v1/payments/{first.json()['id']}").json()["status"] == "paid"
    assert taken(shared_sandbox, asked["order_id"]) == 1


def test_a_repeat_of_an_order_number_is_refused_with_the_first_one_s_id(taking: Web, shared_sandbox: Sandbox) -> None:
    asked = body()
    first = taking.api.post(PATH, json=asked).json()
    again = taking.api.post(PATH, json=asked)
    assert_problem(again, 409, "order_id")
    assert again.json()["existing_id"] == first["id"]
    assert taken(shared_sandbox, asked["order_id"]) == 1


def test_a_declined_card_is_an_uncollectible_payment(taking: Web) -> None:
    answer = taking.api.post(PATH, json=body(card=CARD | {"card_number": "4000-0000-0000-0000"}))
    assert (answer.status_code, answer.json()["status"]) == (202, "uncollectible")
    assert "카드번호" in answer.json()["last_reason"]


def test_only_unseen_by_others(taking: Web) -> None:
    headers = {"authorization": f"Bearer {TOKEN}", "content_type": "application/json"}
    assert asked_from(taking.app, "203.0.113.9", "POST", PATH, **headers) == 403
    assert taking.count("invoices") == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"pg_provider": "kakaopay"}, "pg_provider"),
        ({"card": CARD | {"expiry": "04/31"}}, "expiry"),
        ({"card": CARD | {"cvc": "123"}}, "cvc"),
        ({"name": NUMBER}, "name"),
        ({"custom_data": f"card {NUMBER}"}, "custom_data"),
        ({"order_id": NUMBER}, "order_id"),
        ({"tax_free": 9901}, "tax_free"),
        ({"at": "2030-01-01T00:00:00Z"}, "customer_uid"),
        ({"at": "2020-01-01T00:00:00Z", "customer_uid": "later-1"}, "at"),
        ({"at": "2030-01-01T00:00:00", "customer_uid": "later-1"}, "at"),
        ({"at": NUMBER, "customer_uid": "later-1"}, "at"),
        ({"retry_days": [1]}, "retry_days"),
        ({"channel_key": "channel-1", "customer_uid": "later-1"}, "channel_key"),
        ({"customer_id": "cust-1", "customer_uid": "later-1"}, "customer_id"),
    ],
)
def test_bad_input_names_its_field_and_never_the_card(taking: Web, change: dict[str, Any], field: str) -> None:
    for header in ({}, {"Idempotency-Key": f"wrong-{uuid4().hex}"}):
        answer = taking.api.post(PATH, json=body(**change), headers=header)
        assert answer.status_code in (400, 422), answer.text
        assert field in answer.text
        assert NUMBER not in answer.text.replace("-", "")
        assert (taking.count("invoices"), taking.count("billing_keys"), taking.count("key_calls")) == (0, 0, 0)


def in_a_week(taking: Web, **changes: Any) -> dict[str, Any]:
    at = (taking.clock.now() + timedelta(days=7)).isoformat()
    return body(customer_uid=f"later-{uuid4().hex[:12]}", at=at) | changes


def issues(sandbox: Sandbox, asked: dict[str, Any]) -> int:
    calls = sandbox.requests(f"/subscribe/customers/{asked['customer_uid']}")
    return sum(call["method"] == "POST" for call in calls)


def test_a_card_is_kept_now_and_its_payment_is_open_until_its_time(taking: Web, shared_sandbox: Sandbox) -> None:
    asked = in_a_week(taking, retry_days=[1, 3], customer="hong")
    answer = taking.api.post(PATH, json=asked)
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["status"], made["dunning_policy"], made["customer"]) == ("open", "days-1-3@1", "hong")
    assert made["next_attempt_at"] == made["at"]
    key = taking.api.get(f"/v1/billing-keys/{made['billing_key_id']}").json()
    assert (key["status"], key["card_last_digits"]) == ("active", NUMBER[-4:])
    assert taking.api.get("/v1/payments", params={"order_id": asked["order_id"]}).json()["data"][0]["id"] == made["id"]
    assert (taken(shared_sandbox, asked["order_id"]), issues(shared_sandbox, asked)) == (0, 1)


def test_a_refused_card_is_an_uncollectible_later_payment(taking: Web) -> None:
    made = taking.api.post(PATH, json=in_a_week(taking, card=CARD | {"card_number": "4000-0000-0000-0000"})).json()
    assert made["status"] == "uncollectible"
    assert "카드번호" in made["last_reason"]


def test_one_idempotency_key_is_one_later_payment_and_another_time_is_another_request(
    taking: Web, shared_sandbox: Sandbox
) -> None:
    asked, header = in_a_week(taking), {"Idempotency-Key": f"later-{uuid4().hex}"}
    first, again = (taking.api.post(PATH, json=asked, headers=header) for _ in range(2))
    assert (first.status_code, first.json()["status"]) == (202, "open")
    assert again.content == first.content
    for name, value in (
        ("at", "2027-05-01T00:00:00Z"),
        ("retry_days", [2]),
        ("channel_key", "c"),
        ("customer_id", "c"),
    ):
        other = taking.api.post(PATH, json=asked | {name: value}, headers=header)
        assert_problem(other, 422, "Idempotency-Key")
    assert (taking.count("invoices"), issues(shared_sandbox, asked)) == (1, 1)
    without = taking.api.post(PATH, json=asked)
    assert_problem(without, 409, "order_id")
    assert without.json()["existing_id"] == first.json()["id"]


def test_requests_that_race_with_one_idempotency_key_are_one_payment(taking: Web, shared_sandbox: Sandbox) -> None:
    asked, header = in_a_week(taking), {"Idempotency-Key": f"race-{uuid4().hex}"}
    shared_sandbox.rule("ok", endpoint="issue", customer_uid=asked["customer_uid"], delay=0.5)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: taking.api.post(PATH, json=asked, headers=header), range(4)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    last = taking.api.post(PATH, json=asked, headers=header)
    assert last.status_code == 202
    assert (taking.count("invoices"), taking.count("billing_keys"), taking.count("key_calls")) == (1, 1, 1)
    assert issues(shared_sandbox, asked) == 1
    assert taking.api.get(f"/v1/billing-keys/{last.json()['billing_key_id']}").json()["status"] == "active"


def test_every_field_but_the_card_is_part_of_what_a_repeat_is_known_by() -> None:
    for path, input_ in ((PATH, CardPaymentInput), ("/v1/billing-keys/issue", CardKeyInput)):
        assert COUNTED[path] == input_.model_fields.keys() - {"card"}
