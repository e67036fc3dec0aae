"""Card data over HTTP: only where it is allowed, only unseen by others, and never in an answer or in the database."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from web_calls import TOKEN, asked_from, assert_problem
from web_helpers import Web, running

from billing_worker.adapters.portone import PortOneGateway
from billing_worker.web.fingerprint import fingerprint
from tests.support.databases import Databases
from tests.support.sandbox import IMP_KEY, IMP_SECRET, PATIENCE, Sandbox

NUMBER = "5409600012345677"
CARD = {"card_number": "5409-6000-1234-5677", "expiry": "2031-04", "birth": "880301", "pwd_2digit": "37"}
PATH = "/v1/billing-keys/issue"


@pytest.fixture(scope="module")
def web_for_cards(databases: Databases, shared_sandbox: Sandbox) -> Iterator[Web]:
    """The application with card entry on, before a real sandbox."""
    gateway = PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=PATIENCE)
    with closing(gateway), databases.migrated() as url, running(url, real_gateway=gateway, card_entry=True) as started:
        yield started


@pytest.fixture
def taking(web_for_cards: Web, shared_sandbox: Sandbox) -> Iterator[Web]:
    """The same, as if new."""
    web_for_cards.begin_anew()
    yield web_for_cards
    shared_sandbox.forget_rules()


def body(**changes: Any) -> dict[str, Any]:
    return {"customer_uid": f"card-{uuid4().hex[:12]}", "pg_provider": "nice_v2", "card": CARD} | changes


def test_a_key_is_issued_and_answered_at_once(taking: Web) -> None:
    answer = taking.api.post(PATH, json=body(buyer_name="홍길동", metadata={"team": "sales"}))
    assert answer.status_code == 202, answer.text
    assert (answer.json()["status"], answer.json()["metadata"]) == ("active", {"team": "sales"})
    assert taking.api.get(f"/v1/billing-keys/{answer.json()['id']}").json() == answer.json()
    (action,) = taking.api.get("/v1/actions").json()["data"]
    assert (action["verb"], action["actor"]) == ("key.issue_requested", "token:setting")


def test_a_refused_card_is_an_invalid_key_with_the_reason(taking: Web) -> None:
    answer = taking.api.post(PATH, json=body(card=CARD | {"card_number": "4000-0000-0000-0000"}))
    assert (answer.status_code, answer.json()["status"]) == (202, "invalid")
    assert "카드번호" in answer.json()["invalid_reason"]


def test_an_unclear_answer_is_a_pending_key(taking: Web, shared_sandbox: Sandbox) -> None:
    asked = body()
    shared_sandbox.rule("drop-after-charge", endpoint="issue", customer_uid=asked["customer_uid"])
    assert taking.api.post(PATH, json=asked).json()["status"] == "pending"


def test_a_repeat_sends_no_second_card(taking: Web, shared_sandbox: Sandbox) -> None:
    asked, key = body(), {"Idempotency-Key": "card-of-user-42"}
    first = taking.api.post(PATH, json=asked, headers=key)
    assert (first.status_code, first.json()["status"]) == (202, "pending")
    again = taking.api.post(PATH, json=asked, headers=key)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert taking.api.get(f"/v1/billing-keys/{first.json()['id']}").json()["status"] == "active"
    refused = taking.api.post(PATH, json=asked)
    assert_problem(refused, 409, "customer_uid")
    assert refused.json()["existing_id"] == first.json()["id"]
    sent = shared_sandbox.requests(f"/subscribe/customers/{asked['customer_uid']}")
    assert sum(one["method"] == "POST" for one in sent) == 1
    other = taking.api.post(PATH, json=asked | {"buyer_name": "Kim"}, headers=key)
    assert_problem(other, 422, "Idempotency-Key")


def test_no_digest_of_a_card_is_kept() -> None:
    """Whoever has the digests of a database could try all card numbers."""

    def of(text: str, path: str = PATH) -> str:
        scope = {"method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        return fingerprint(scope, text.encode())

    one, two = (
        json.dumps(body(customer_uid="a", card=CARD | {"card_number": n})) for n in (NUMBER, "4242424242424242")
    )
    assert of(one) == of(two)
    assert of(one) != of(json.dumps(body(customer_uid="b")))
    for wrong in ('{"card_number": "%s"}', '["%s"]', '"%s', '{"card": {"x": "%s"}}', '{"buyer_name": "%s"}'):
        assert of(wrong % NUMBER) == of(wrong % "4242424242424242")
    for wrong in ('{"card_number": "%s"}', '["%s"]', '{"card": {"x": "%s"}}'):  # without a check digit
        assert of(wrong % "4000000000001001") == of(wrong % "4000000000001002")
    for elsewhere in ('{"customer_uid": "%s"}', '{"name": "%s"}', "%s"):
        spelt = "".join(f"\\u003{digit}" for digit in "4242424242424242")
        plain = of(elsewhere % "4242424242424242", "/v1/plans")
        assert of(elsewhere % "5555555555554444", "/v1/plans") == plain == of(elsewhere % spelt, "/v1/plans")
    assert of('{"name": "1"}', "/v1/plans") != of('{"name": "2"}', "/v1/plans")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"card": CARD | {"card_number": "5409"}}, "card.card_number"),
        ({"card": CARD | {"card_number": 5409600012345677}}, "card.card_number"),
        ({"card": CARD | {"expiry": "2020-01"}}, "card.expiry"),
        ({"card": CARD | {"expiry": "04/31"}}, "card.expiry"),
        ({"card": CARD | {"birth": "5409600012345677"}}, "card.birth"),
        ({"card": CARD | {"pwd_2digit": "3737"}}, "card.pwd_2digit"),
        ({"card": CARD | {"cvc": "123"}}, "cvc"),
        ({"card": CARD | {NUMBER: "x"}}, None),
        ({"card": NUMBER}, "card"),
        ({"card": [NUMBER]}, "card"),
        ({"card": None}, "card"),
        ({"card_number": NUMBER}, "card_number"),
        ({"customer_uid": NUMBER}, "customer_uid"),
        ({"buyer_name": NUMBER}, "buyer_name"),
        ({"buyer_tel": NUMBER}, "buyer_tel"),
        ({"external_id": f"order {NUMBER}"}, "external_id"),
        ({"metadata": {"note": NUMBER}}, "metadata.note"),
        ({"metadata": {NUMBER: "note"}}, None),
        ({"customer_id": NUMBER}, "customer_id"),
        ({"channel_key": NUMBER}, "channel_key"),
        ({"pg_provider": "kakaopay"}, "pg_provider"),
        ({"pg_provider": NUMBER}, "pg_provider"),
        ({"replaces": "key_none"}, None),
        ({NUMBER: 1}, None),
    ],
)
def test_what_is_wrong_is_named_and_never_repeated(taking: Web, changes: dict[str, Any], field: str | None) -> None:
    for headers in ({}, {"Idempotency-Key": "a-try"}):
        answer = taking.api.post(PATH, json=body(**changes), headers=headers)
        assert answer.status_code in (404, 422), answer.text
        assert_problem(answer, answer.status_code, field)
        digits = "".join(letter for letter in answer.text if letter.isdecimal())
        assert NUMBER not in digits
    assert (taking.count("billing_keys"), taking.count("key_calls")) == (0, 0)


def test_no_idempotency_key_is_a_card_number(taking: Web) -> None:
    answer = taking.api.post(PATH, json=body(), headers={"Idempotency-Key": NUMBER})
    assert_problem(answer, 400, "Idempotency-Key")
    assert NUMBER not in answer.text


def test_without_the_setting_the_request_is_refused_and_the_setting_named(web_with: Callable[..., Web]) -> None:
    web = web_with()
    answer = web.api.post(PATH, json=body())
    assert "BILLING_CARD_ENTRY" in assert_problem(answer, 403)
    assert web.count("billing_keys") == 0


AT = {"authorization": f"Bearer {TOKEN}", "content_type": "application/json"}


def test_card_data_come_over_tls_or_from_this_machine(taking: Web, web_with: Callable[..., Web]) -> None:
    """422: the request was let in, and its empty body refused."""
    direct, behind = taking.app, web_with(card_entry=True, trusted_proxies="10.0.0.0/8").app
    for app, peer, headers, status in (
        (direct, "127.0.0.1", {}, 422),
        (direct, "::1", {}, 422),
        (direct, "203.0.113.9", {}, 403),
        (direct, "203.0.113.9", {"x_forwarded_proto": "https"}, 403),
        (direct, "127.0.0.1", {"x_forwarded_for": "203.0.113.9"}, 403),
        (direct, "127.0.0.1", {"x_forwarded_proto": "https"}, 403),
        (direct, "127.0.0.1", {"via": "1.1 proxy"}, 403),
        (behind, "10.0.0.7", {}, 403),
        (behind, "10.0.0.7", {"x_forwarded_proto": "http"}, 403),
        (behind, "10.0.0.7", {"x_forwarded_proto": "https"}, 422),
        (behind, "10.0.0.7", {"x_forwarded_proto": "https, http"}, 403),
        (behind, "10.0.0.7", {"x_forwarded_proto": "https, https"}, 422),
        (behind, "203.0.113.9", {"x_forwarded_proto": "https"}, 403),
    ):
        assert asked_from(app, peer, "POST", PATH, **AT, **headers) == status, (peer, headers)


def test_a_key_is_deleted_by_the_worker(taking: Web) -> None:
    key = taking.api.post(PATH, json=body()).json()
    answer = taking.api.delete(f"/v1/billing-keys/{key['id']}", params={"reason": "the customer left"})
    assert (answer.status_code, answer.json()["status"]) == (200, "invalid")
    assert answer.json()["invalid_reason"] == "deleted: the customer left"
    taking.app.state.context.bell._thread.submit(int).result(20)
    assert [job for job, _ in taking.doorbell.rings] == ["key_call"]
    assert_problem(taking.api.delete(f"/v1/billing-keys/{key['id']}"), 422, "reason")
    assert_problem(taking.api.delete("/v1/billing-keys/key_none", params={"reason": "why"}), 404)


def test_a_key_that_still_pays_is_not_deleted(taking: Web) -> None:
    subscription = taking.subscribed()
    answer = taking.api.delete(f"/v1/billing-keys/{subscription['billing_key_id']}", params={"reason": "why"})
    assert subscription["id"] in assert_problem(answer, 409)
    with_card = {"reason": f"card {NUMBER}"}
    answer = taking.api.delete(f"/v1/billing-keys/{subscription['billing_key_id']}", params=with_card)
    assert_problem(answer, 422, "reason")
    assert NUMBER not in answer.text


def test_another_card_takes_over_the_subscription(taking: Web) -> None:
    subscription = taking.subscribed()
    old = subscription["billing_key_id"]
    new = taking.api.post(PATH, json=body(replaces=old)).json()
    assert new["status"] == "active"
    shown = taking.api.get(f"/v1/subscriptions/{subscription['id']}").json()
    assert shown["billing_key_id"] == new["id"]
