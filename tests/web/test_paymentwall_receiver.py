"""Paymentwall's pingbacks: exactly `OK`, and only for what its secret signed and we have stored."""

from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest
from web_calls import assert_problem, eventually, pingback
from web_helpers import Web

from billing_worker.ports import InboxStatus
from billing_worker.usecases import inbox

PATH = "/webhooks/paymentwall"


@pytest.mark.fm("E25")
def test_a_signed_pingback_is_stored_and_answered_with_exactly_ok(web: Web) -> None:
    query = pingback()
    answer = web.api.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"OK", "text/plain")
    (row,) = web.rows("SELECT * FROM inbox")
    expected = dict(parse_qsl(query, keep_blank_values=True))
    del expected["sig"]
    assert (row["source"], row["dedupe_key"], row["payload"]) == ("paymentwall", "b123|0", expected)
    eventually(lambda: web.doorbell.rings == [("apply", str(row["id"]))], "the ring")


@pytest.mark.fm("E22")
def test_a_repeated_pingback_is_answered_ok_and_only_counted(web: Web) -> None:
    assert [web.api.get(f"{PATH}?{pingback()}").content for _ in range(3)] == [b"OK"] * 3
    assert web.rows("SELECT deliveries FROM inbox") == [{"deliveries": 3}]


def test_another_type_of_the_same_transaction_is_another_pingback(web: Web) -> None:
    for kind in ("0", "2", "00"):
        assert web.api.get(f"{PATH}?{pingback(type=kind)}").content == b"OK"
    found = web.rows("SELECT dedupe_key, deliveries FROM inbox ORDER BY id")
    assert [(row["dedupe_key"], row["deliveries"]) for row in found] == [("b123|0", 2), ("b123|2", 1)]


def test_a_pingback_unlocks_a_pending_key_once_it_is_applied(web: Web) -> None:
    names = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}
    key = web.create("billing-keys", customer_uid="user-1-card-1", pg_provider="paymentwall", **names)
    assert key["status"] == "pending"
    web.api.get(f"{PATH}?{pingback()}")
    assert web.api.get(f"/v1/billing-keys/{key['id']}").json()["status"] == "pending"
    applied = inbox.apply(web.ports, web.rows("SELECT id FROM inbox")[0]["id"])
    assert applied.status is InboxStatus.APPLIED
    assert web.api.get(f"/v1/billing-keys/{key['id']}").json()["status"] == "active"


@pytest.mark.fm("E19")
@pytest.mark.parametrize(
    "change",
    [
        lambda query: query.replace("gold", "platinum"),
        lambda query: query.replace("type=0", "type=201"),
        lambda query: query[:-1] + ("0" if query[-1] != "0" else "1"),
        lambda query: query.partition("&sig=")[0],
        lambda query: query.replace("sign_version=3&", ""),
        lambda query: query + "&extra=1",
    ],
    ids=["value", "type", "signature", "unsigned", "older-version", "added"],
)
def test_a_pingback_that_the_secret_did_not_sign_is_refused(web: Web, change: Callable[[str], str]) -> None:
    answer = web.api.get(f"{PATH}?{change(pingback())}")
    assert_problem(answer, 403)
    assert answer.json()["error"]["type"] == "signature_invalid"
    assert b"OK" not in answer.content
    assert web.count("inbox") == 0
    assert web.doorbell.rings == []


@pytest.mark.parametrize("query", ["uid", "uid=1&uid=2", "uid=%zz", "1=2", "a[b][c]=1"])
def test_a_malformed_pingback_is_refused(web: Web, query: str) -> None:
    assert_problem(web.api.get(f"{PATH}?{query}"), 400)
    assert web.count("inbox") == 0


@pytest.mark.parametrize("field", ["uid", "ref", "type"])
def test_a_signed_pingback_without_a_needed_field_is_refused_by_name(web: Web, field: str) -> None:
    assert_problem(web.api.get(f"{PATH}?{pingback(**{field: ''})}"), 400, field)
    assert web.count("inbox") == 0


def test_a_reference_too_long_to_be_one_is_refused(web: Web) -> None:
    assert_problem(web.api.get(f"{PATH}?{pingback(ref='b' * 3000)}"), 400, "ref")
    assert web.api.get(f"{PATH}?{pingback(ref='b' * 255)}").content == b"OK"


@pytest.mark.fm("E23")
def test_a_test_pingback_is_taken_only_where_no_real_money_moves(web_with: Callable[..., Web]) -> None:
    live = web_with(portone_api_url="https://api.iamport.kr")
    answer = live.api.get(f"{PATH}?{pingback(is_test='1')}")
    assert_problem(answer, 403, "is_test")
    assert live.count("inbox") == 0
    assert live.api.get(f"{PATH}?{pingback()}").content == b"OK"
    sandbox = web_with()
    assert sandbox.api.get(f"{PATH}?{pingback(is_test='1', ref='t1')}").content == b"OK"
    assert sandbox.count("inbox") == 2


def test_without_a_secret_the_address_says_which_setting_is_missing(web_with: Callable[..., Web]) -> None:
    web = web_with(paymentwall_secret_key=None)
    assert "BILLING_PAYMENTWALL_SECRET_KEY" in assert_problem(web.api.get(f"{PATH}?{pingback()}"), 404)
    assert web.count("inbox") == 0


def test_pingbacks_are_not_posted(web: Web) -> None:
    assert_problem(web.api.post(f"{PATH}?{pingback()}"), 405)
    assert web.count("inbox") == 0


@pytest.mark.fm("E21")
def test_letters_of_any_language_and_empty_values_arrive_as_signed(web: Web) -> None:
    assert web.api.get(f"{PATH}?{pingback(custom='홍길동 &+=', empty='')}").content == b"OK"
    payload = web.rows("SELECT payload FROM inbox")[0]["payload"]
    assert (payload["custom"], payload["empty"]) == ("홍길동 &+=", "")
