"""Schedules with card data, the optional fields of an item, and what may happen to a call about schedules."""

import httpx
import pytest
from sandbox_calls import eventually

SCHEDULE = "/subscribe/payments/schedule"
CARD = {"card_number": "4242-4242-4242-4242", "expiry": "2030-12"}
ALL_FIELDS = {
    "currency": "KRW",
    "name": "구독",
    "tax_free": 10,
    "vat_amount": 809,
    "buyer_name": "홍길동",
    "buyer_email": "gildong@example.com",
    "buyer_tel": "010-1234-5678",
    "buyer_addr": "서울",
    "buyer_postcode": "04524",
    "custom_data": "x",
    "notice_url": "https://shop.example/hook",
    "product_type": "digital",
    "card_quota": 3,
    "browser_ip": "203.0.113.7",
    "promotion_id": "promotion-id-1",
}
SHOWN = (
    "name",
    "buyer_name",
    "buyer_email",
    "buyer_tel",
    "buyer_addr",
    "buyer_postcode",
    "custom_data",
    "promotion_id",
)


def now(caller):
    return caller.http.get("/_sandbox").json()["now"]


def register(caller, uid, merchant_uid, after=3600, card=None, **fields):
    item = {"merchant_uid": merchant_uid, "schedule_at": now(caller) + after, "amount": 8900} | fields
    return caller.http.post(SCHEDULE, json={"customer_uid": uid, "schedules": [item]} | (card or {}))


def test_the_fields_of_an_item_are_kept_shown_and_charged(sandbox):
    caller = sandbox()
    answer = register(caller, "ok-kim", "s1", after=1, **ALL_FIELDS).json()["response"][0]
    shown = {name: ALL_FIELDS[name] for name in SHOWN}
    assert {name: answer[name] for name in SHOWN} == shown
    eventually(lambda: caller.get(f"{SCHEDULE}/s1")["payment_status"] == "paid")
    paid = caller.get("/payments/find/s1")
    assert {name: paid[name] for name in SHOWN[:-1]} == {name: shown[name] for name in SHOWN[:-1]}
    assert paid["card_quota"] == 3


def test_the_buyer_of_a_schedule_is_by_default_the_customer_of_the_key(sandbox):
    caller = sandbox()
    customer = {"customer_name": "김", "customer_tel": "010-1234-5678"}
    caller.http.post("/subscribe/customers/card", json=CARD | customer)
    first, second = (
        register(caller, "card", uid, **more).json()["response"][0]
        for uid, more in (("s1", {}), ("s2", {"buyer_name": "이"}))
    )
    assert (first["buyer_name"], first["buyer_tel"], first["buyer_email"]) == ("김", "010-1234-5678", None)
    assert (second["buyer_name"], second["buyer_tel"]) == ("이", "010-1234-5678")


def test_card_data_issue_the_key_first_and_only_if_there_is_none(sandbox):
    caller = sandbox()
    assert register(caller, "new", "s1", card=CARD).json()["code"] == 0
    assert caller.get("/subscribe/customers/new")["card_number"] == "424242******4242"
    other = CARD | {"card_number": "4000-0000-0000-1001"}
    assert register(caller, "new", "s2", card=other).json()["code"] == 0
    assert caller.get("/subscribe/customers/new")["card_number"] == "424242******4242"


@pytest.mark.parametrize(
    ("uid", "card", "words"),
    [
        ("new", {"card_number": CARD["card_number"]}, "expiry"),
        ("new", CARD | {"card_number": "4000-0000-0000-0000"}, "빌키 발급에 실패"),
        ("kakao-new", CARD, "비인증결제모듈"),
        ("danal-new", CARD, "비인증결제모듈"),
        ("smartro-new", CARD, "비인증결제모듈"),
        ("new", CARD | {"channel_key": "channel-key-naverpay"}, "비인증결제모듈"),
    ],
)
def test_a_key_that_cannot_be_issued_has_no_schedule(sandbox, uid, card, words):
    caller = sandbox(open_keys=False)
    assert words in caller.refused(register(caller, uid, "s1", card=card))["message"]
    assert caller.http.get(f"{SCHEDULE}/s1").status_code == 404


@pytest.mark.parametrize("item", [{"amount": 0}, {"amount": -1}, {"schedule_at": None}])
def test_an_item_without_what_it_needs_is_refused(sandbox, item):
    caller = sandbox()
    assert "파라메터는 필수입니다" in caller.refused(register(caller, "ok-kim", "s1", **item))["message"]
    assert "merchant_uid" in caller.refused(register(caller, "ok-kim", ""))["message"]


def test_a_list_of_one_key_has_twenty_on_a_page_whatever_is_asked(sandbox):
    caller = sandbox()
    for number in range(21):
        register(caller, "ok-kim", f"s{number}")
    window = {"from": now(caller), "to": now(caller) + 7200}
    page = caller.get("/subscribe/customers/ok-kim/schedules", limit=1000, **window)
    assert (len(page["list"]), page["total"], page["next"]) == (20, 21, 2)
    assert len(caller.get("/subscribe/customers/ok-kim/schedules", page=2, **window)["list"]) == 1


def test_a_paymentwall_schedule_needs_what_again_needs(sandbox):
    caller = sandbox()
    issue = {"merchant_uid": "pw1", "amount": 9, "confirm_after": 0, "buyer_email": "kim@example.com"}
    caller.control("/paymentwall/issue", customer_uid="pw-a", **issue)
    buyer = {"buyer_email": "kim@example.com", "buyer_name": "Gildong Hong", "browser_ip": "203.0.113.9"}
    eventually(lambda: register(caller, "pw-a", "s1", after=1, **buyer).json()["code"] == 0)
    register(caller, "pw-a", "s2", after=1, **(buyer | {"buyer_name": "홍길동"}))
    eventually(lambda: caller.get(f"{SCHEDULE}/s2")["schedule_status"] == "executed")
    eventually(lambda: caller.get(f"{SCHEDULE}/s1")["payment_status"] == "paid")
    assert caller.get(f"{SCHEDULE}/s2")["payment_status"] is None


FAULTS = {
    "drop-after-charge": True,
    "drop-before-charge": False,
    "cut-body": True,
    "truncated": True,
    "garbled": True,
    "error500": False,
    "error500-charged": True,
    "error502-html-charged": True,
    "error503": False,
    "error401": False,
    "rate-limit": False,
    "comm-error": False,
    "comm-error-charged": True,
}


@pytest.mark.parametrize(("behaviour", "done"), FAULTS.items())
def test_a_registration_may_fail_in_every_way_with_its_effect_or_without(sandbox, behaviour, done):
    caller = sandbox()
    caller.control("/rules", behaviour=behaviour, endpoint="schedule", merchant_uid="s1")
    caller.http.event_hooks = {}
    try:
        answer = register(caller, "ok-kim", "s1")
        assert answer.status_code != 200 or b'"schedule_status":"scheduled"' not in answer.content
    except httpx.TransportError:
        assert behaviour in ("drop-after-charge", "drop-before-charge", "cut-body")
    assert caller.http.get(f"{SCHEDULE}/s1").status_code == (200 if done else 404)


def test_half_an_answer_is_half_of_the_real_one(sandbox):
    caller = sandbox()
    caller.http.event_hooks = {}
    caller.control("/rules", behaviour="truncated", endpoint="schedule")
    assert register(caller, "ok-kim", "s1").text.startswith('{"code":0,"message":null,"response":[{"customer_uid"')


@pytest.mark.parametrize("behaviour", ["slow", "slow-answer"])
def test_a_slow_registration_has_its_effect_before_or_after_the_wait(sandbox, behaviour):
    caller = sandbox(slow_seconds=1.0)
    caller.control("/rules", behaviour=behaviour, endpoint="schedule", merchant_uid="s1")
    item = {"merchant_uid": "s1", "schedule_at": now(caller) + 3600, "amount": 8900}
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(SCHEDULE, json={"customer_uid": "ok-kim", "schedules": [item]}, timeout=0.3)
    assert caller.http.get(f"{SCHEDULE}/s1").status_code == (200 if behaviour == "slow-answer" else 404)
    eventually(lambda: caller.http.get(f"{SCHEDULE}/s1").status_code == 200)


def test_a_revocation_may_lose_its_answer(sandbox):
    caller = sandbox()
    register(caller, "ok-kim", "s1")
    caller.control("/rules", behaviour="drop-after-charge", endpoint="schedule", merchant_uid="s1")
    with pytest.raises(httpx.TransportError):
        caller.http.post("/subscribe/payments/unschedule", json={"customer_uid": "ok-kim", "merchant_uid": ["s1"]})
    assert caller.get(f"{SCHEDULE}/s1")["schedule_status"] == "revoked"
