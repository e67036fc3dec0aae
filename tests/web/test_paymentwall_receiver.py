"""Paymentwall's pingbacks: exactly `OK`, and only for what its secret signed and we have stored."""

import hashlib
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

import pytest
from web_calls import SECRET, assert_problem, eventually, pingback
from web_helpers import Web

from billing_worker.ports.incoming import InboxStatus
from billing_worker.usecases.incoming import apply

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


def test_a_pingback_has_a_pending_key_looked_up_once_it_is_applied(web: Web) -> None:
    names = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}
    key = web.create("billing-keys", customer_uid="user-1-card-1", pg_provider="paymentwall", **names)
    assert key["status"] == "pending"
    web.api.get(f"{PATH}?{pingback()}")
    assert web.api.get(f"/v1/billing-keys/{key['id']}").json()["status"] == "pending"
    applied = apply.apply(web.ports, web.rows("SELECT id FROM inbox")[0]["id"])
    assert (applied.status, applied.to_confirm) == (InboxStatus.APPLIED, [key["id"]])
    assert web.api.get(f"/v1/billing-keys/{key['id']}").json()["status"] == "pending", "PortOne is asked first"


def test_a_pingback_about_another_product_than_the_key_is_tied_to_unlocks_nothing(web: Web) -> None:
    names = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com", "goodsid": "silver"}
    key = web.create("billing-keys", customer_uid="user-1-card-1", pg_provider="paymentwall", **names)
    assert web.api.get(f"{PATH}?{pingback()}").content == b"OK"
    apply.apply(web.ports, web.rows("SELECT id FROM inbox")[0]["id"])
    found = web.api.get(f"/v1/billing-keys/{key['id']}").json()
    assert (found["status"], found["goodsid"]) == ("pending", "silver")
    assert alerts(web) == [("pingback_goodsid", "b123")]


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
    assert answer.json()["type"].endswith(":signature_invalid")
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
    assert web.api.get(f"{PATH}?{pingback(custom='홍길동 &+=', payment_type='')}").content == b"OK"
    payload = web.rows("SELECT payload FROM inbox")[0]["payload"]
    assert (payload["custom"], payload["payment_type"]) == ("홍길동 &+=", "")


def alerts(web: Web) -> list[tuple[str, str]]:
    rows = web.rows("SELECT kind, subject_id FROM alerts WHERE closed_at IS NULL ORDER BY id")
    return [(row["kind"], row["subject_id"]) for row in rows]


@pytest.mark.fm("E20")
def test_an_unannounced_parameter_is_refused_by_name_and_told_once(web_with: Callable[..., Web]) -> None:
    web = web_with()
    for _ in range(3):
        message = assert_problem(web.api.get(f"{PATH}?{pingback(level='7')}"), 400, "level")
        assert "BILLING_PAYMENTWALL_PARAMETERS" in message
    assert web.count("inbox") == 0
    assert alerts(web) == [("pingback_refused", "paymentwall level")]
    (alert,) = web.api.get("/v1/alerts").json()["data"]
    assert "level" in alert["detail"]
    assert "BILLING_PAYMENTWALL_PARAMETERS" in alert["proposal"]
    told = web_with(paymentwall_parameters="level,note")
    assert told.api.get(f"{PATH}?{pingback(level='7')}").content == b"OK"


@pytest.mark.fm("E20")
def test_a_moved_boundary_is_refused_although_it_is_signed(web: Web) -> None:
    whole = dict(parse_qsl(pingback(payment_type="card"), keep_blank_values=True))
    moved = whole | {"goodsid": f"{whole['goodsid']}payment_type=card"}
    del moved["payment_type"]
    assert_problem(web.api.get(f"{PATH}?{urlencode(moved)}"), 400, "goodsid")
    assert web.count("inbox") == 0
    assert alerts(web) == [("pingback_refused", "paymentwall goodsid")]


def test_what_is_refused_for_many_reasons_opens_few_alerts_and_the_last_tells_of_the_latest(web: Web) -> None:
    for number in range(12):
        assert_problem(web.api.get(f"{PATH}?{pingback(**{f'own{number}': '1'})}"), 400, f"own{number}")
    assert alerts(web) == [("pingback_refused", f"paymentwall own{number}") for number in range(10)] + [
        ("pingback_refused", "paymentwall others")
    ]
    assert web.rows("SELECT facts FROM alerts ORDER BY id DESC LIMIT 1")[0]["facts"]["field"] == "own11"


@pytest.mark.fm("E23")
def test_a_flood_of_test_pingbacks_in_production_is_one_alert(web_with: Callable[..., Web]) -> None:
    live = web_with(portone_api_url="https://api.iamport.kr")
    for number in range(4):
        assert_problem(live.api.get(f"{PATH}?{pingback(is_test='1', ref=f't{number}')}"), 403, "is_test")
    assert alerts(live) == [("pingback_refused", "paymentwall is_test")]
    assert "t0" in live.rows("SELECT facts FROM alerts")[0]["facts"]["ref"]  # written once, not four times


def test_the_test_key_signs_beside_the_secret_where_no_real_money_moves(web_with: Callable[..., Web]) -> None:
    query = pingback(secret="brick-private-test-key", is_test="1")
    assert web_with(paymentwall_test_key="brick-private-test-key").api.get(f"{PATH}?{query}").content == b"OK"
    assert_problem(web_with().api.get(f"{PATH}?{query}"), 403)


def test_of_version_1_only_what_it_signs_is_stored(web_with: Callable[..., Web]) -> None:
    web = web_with(paymentwall_sign_version=1)
    base = "uid=u1goodsid=goldslength=speriod=type=2ref=b1" + SECRET
    signature = hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()
    answer = web.api.get(f"{PATH}?uid=u1&goodsid=gold&type=2&ref=b1&reason=10&sig={signature}")
    assert answer.content == b"OK"
    (row,) = web.rows("SELECT dedupe_key, payload FROM inbox")
    fields = {"uid": "u1", "goodsid": "gold", "slength": "", "speriod": "", "type": "2", "ref": "b1"}
    assert (row["dedupe_key"], row["payload"]) == ("b1|2", fields)


@pytest.mark.fm("E22")
def test_each_part_that_was_given_back_is_a_pingback_of_its_own(web: Web) -> None:
    for more in ({"refund_amount": "5"}, {"refund_amount": "6"}, {"merchant_refund_id": "r1", "refund_amount": "6"}):
        for _ in range(2):
            assert web.api.get(f"{PATH}?{pingback(type='220', **more)}").content == b"OK"
    found = web.rows("SELECT dedupe_key, deliveries FROM inbox ORDER BY id")
    assert [(row["dedupe_key"], row["deliveries"]) for row in found] == [
        ("b123|220|5", 2),
        ("b123|220|6", 2),
        ("b123|220|r1", 2),
    ]
