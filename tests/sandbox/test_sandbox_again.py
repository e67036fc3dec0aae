import concurrent.futures
import json

import httpx
import pytest
from sandbox_calls import eventually

from billing_worker.sandbox.world.behaviours import BEHAVIOURS

DUPLICATE = "이미 주문이 이루어진 건입니다. (동일한 merchant_uid로 결제 또는 취소된 기록이 있습니다)"
TRANSPORT = [name for name in BEHAVIOURS if name.startswith(("drop-", "cut-"))]


def test_an_approved_charge_answers_the_whole_payment(sandbox):
    caller = sandbox()
    payment = caller.paid("ok-kim", "m1", buyer_name="김", custom_data="x")
    assert payment["imp_uid"].startswith("imps_")
    assert len(payment["imp_uid"]) == 17
    assert (payment["merchant_uid"], payment["amount"], payment["currency"]) == ("m1", 8900, "KRW")
    assert payment["customer_uid_usage"] == "payment"
    assert payment["paid_at"] == payment["started_at"] > 0
    assert (payment["failed_at"], payment["cancelled_at"], payment["cancel_history"]) == (0, 0, [])
    assert (payment["buyer_name"], payment["custom_data"]) == ("김", "x")


@pytest.mark.parametrize(
    ("uid", "reason"),
    [
        ("decline-limit-a", "[400]Error From NICEPAY. (message: 한도초과, code:3095)"),
        ("nice-decline-number-a", "[F112]유효하지않은 카드번호를 입력하셨습니다. (card_bin 없음)"),
        ("kcp-decline-stolen-a", "[CC43]도난카드"),
        ("inicis-decline-balance-a", "[1254]잔액부족"),
        ("toss-decline-expired-a", "[INVALID_CARD_EXPIRATION]카드 유효기간을 확인해주세요."),
        ("decline-no-text-a", None),
    ],
)
def test_a_decline_is_code_0_with_status_failed_and_the_words_of_the_pg(sandbox, uid, reason):
    answer = sandbox().again(uid, "m1").json()
    assert answer["code"] == 0
    assert answer["response"]["status"] == "failed"
    assert answer["response"]["fail_reason"] == reason
    assert answer["response"]["failed_at"] > 0
    assert answer["response"]["paid_at"] == 0


def test_an_unknown_customer_is_refused_with_code_1(sandbox):
    caller = sandbox()
    body = caller.refused(caller.again("nobody", "m1"))
    assert (body["code"], body["message"]) == (1, "등록되지 않은 구매자입니다.")


def test_without_open_keys_even_a_known_prefix_must_be_issued(sandbox):
    caller = sandbox(open_keys=False)
    assert caller.refused(caller.again("ok-kim", "m1"))["code"] == 1
    caller.control("/keys", customer_uid="ok-kim")
    caller.paid("ok-kim", "m1")


def test_a_merchant_uid_that_was_paid_or_cancelled_is_refused(sandbox):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    assert caller.refused(caller.again("ok-kim", "m1")) == {"code": 1, "message": DUPLICATE, "response": None}
    caller.http.post("/payments/cancel", json={"merchant_uid": "m1"})
    assert caller.refused(caller.again("ok-kim", "m1"))["message"] == DUPLICATE


def test_a_merchant_uid_that_only_failed_may_be_used_again(sandbox):
    caller = sandbox()
    assert caller.again("decline-limit-kim", "m1").json()["response"]["status"] == "failed"
    caller.paid("ok-kim", "m1")


def test_a_failed_merchant_uid_is_refused_where_that_is_switched_on_and_always_on_naverpay(sandbox):
    strict = sandbox(failed_blocks=True)
    strict.again("decline-limit-kim", "m1")
    assert strict.refused(strict.again("ok-kim", "m1"))["message"] == DUPLICATE
    caller = sandbox()
    caller.again("naver-decline-limit-1x-kim", "m1")
    assert caller.refused(caller.again("naver-decline-limit-1x-kim", "m1"))["message"] == DUPLICATE


@pytest.mark.parametrize("field", ["customer_uid", "merchant_uid", "amount"])
def test_a_missing_field_is_named(sandbox, field):
    caller = sandbox()
    fields = {"customer_uid": "ok-kim", "merchant_uid": "m1", "amount": 1} | {field: None}
    body = caller.refused(caller.http.post("/subscribe/payments/again", json=fields))
    assert body["message"] == f'["{field}"] 파라메터는 필수입니다.'


def test_an_amount_may_be_a_numeric_string_but_not_the_object_of_v2(sandbox):
    caller = sandbox()
    assert caller.paid("ok-kim", "m1", amount="8900")["amount"] == 8900
    assert caller.refused(caller.again("ok-kim", "m2", amount={"total": 8900}))["code"] == 1


def test_unknown_fields_and_an_absent_name_are_fine_and_bodies_may_be_forms(sandbox):
    caller = sandbox()
    form = {"customer_uid": "ok-kim", "merchant_uid": "m1", "amount": "100", "colour": "blue"}
    assert caller.http.post("/subscribe/payments/again/", data=form).json()["response"]["status"] == "paid"


def test_a_merchant_uid_over_40_is_truncated_unless_switched(sandbox):
    long = "x" * 45
    caller = sandbox()
    assert caller.paid("ok-kim", long)["merchant_uid"] == "x" * 40
    assert caller.refused(caller.again("ok-kim", "x" * 41))["message"] == DUPLICATE
    refusing = sandbox(long_merchant_uid="refuse")
    assert refusing.refused(refusing.again("ok-kim", long))["code"] == 1
    assert refusing.paid("smartro-ok-kim", long)["merchant_uid"] == "x" * 40


def test_the_first_k_calls_misbehave_and_later_ones_follow_the_rest_of_the_uid(sandbox):
    caller = sandbox()
    uid = "decline-limit-2x-decline-stolen-1x-kim"
    seen = [caller.again(uid, f"m{n}").json()["response"] for n in range(4)]
    assert [one["status"] for one in seen] == ["failed", "failed", "failed", "paid"]
    assert "도난" in seen[2]["fail_reason"]


def test_the_card_number_at_issuance_chooses_the_behaviour(sandbox):
    caller = sandbox()
    card = {"card_number": BEHAVIOURS["decline-balance"].card, "expiry": "2030-01", "pg": "kcp_billing"}
    assert caller.http.post("/subscribe/customers/member-1", json=card).json()["code"] == 0
    assert caller.again("member-1", "m1").json()["response"]["fail_reason"] == "[CC10]통장 잔액부족"


@pytest.mark.parametrize("name", TRANSPORT)
def test_a_lost_answer_leaves_the_books_as_the_behaviour_says(sandbox, name):
    caller = sandbox()
    with pytest.raises(httpx.RemoteProtocolError):
        caller.again(f"{name}-kim", "m1")
    assert len(caller.ledger(merchant_uid="m1")) == (0 if name == "drop-before-charge" else 1)


@pytest.mark.parametrize(
    ("name", "http", "charged"),
    [
        ("error500", 500, 0), ("error500-charged", 500, 1), ("error502-html", 502, 0),
        ("error502-html-charged", 502, 1),
        ("error503", 503, 0), ("error401", 401, 0), ("rate-limit", 429, 0), ("rate-limit-odd", 429, 0),
        ("redirect", 307, 0), ("comm-error", 200, 0), ("comm-error-charged", 200, 1), ("refuse-buyer", 200, 0),
        ("refuse-duplicate", 200, 0), ("refuse-contract", 200, 0), ("truncated", 200, 1), ("garbled", 200, 1),
    ],
)  # fmt: skip
def test_an_unclear_answer_leaves_the_books_as_the_behaviour_says(sandbox, name, http, charged):
    caller = sandbox()
    answer = caller.again(f"{name}-kim", "m1")
    assert answer.status_code == http
    assert len(caller.ledger(merchant_uid="m1")) == charged
    if name in {"truncated", "garbled", "error502-html"}:
        with pytest.raises(ValueError, match=r"."):
            json.loads(answer.content)
    if http == 429:
        assert answer.headers["retry-after"]


def test_a_client_that_follows_the_redirect_is_charged(sandbox):
    caller = sandbox()
    answer = caller.http.post(
        "/subscribe/payments/again",
        json={"customer_uid": "redirect-kim", "merchant_uid": "m1", "amount": 100},
        follow_redirects=True,
    )
    assert answer.json()["response"]["status"] == "paid"


def test_a_caller_that_hangs_up_is_charged_all_the_same(sandbox):
    caller = sandbox(slow_seconds=0.4)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(base_url=caller.url, timeout=0.1) as hasty:
        hasty.post(
            "/subscribe/payments/again",
            json={"customer_uid": "slow-kim", "merchant_uid": "m1", "amount": 100},
            headers=caller.http.headers,
        )
    assert caller.ledger() == []
    assert eventually(caller.ledger)[0]["status"] == "paid"


def test_slow_answer_charges_first_and_slow_nothing_never(sandbox):
    caller = sandbox(slow_seconds=0.2)
    assert caller.paid("slow-answer-kim", "m1")
    assert caller.refused(caller.again("slow-nothing-kim", "m2"))["code"] == -1
    assert [one["merchant_uid"] for one in caller.ledger()] == ["m1"]


def test_odd_answers_are_odd_and_the_books_are_plain(sandbox):
    caller = sandbox()
    assert caller.paid("amount-string-kim", "m1")["amount"] == "8900"
    assert "settlement_tier" in caller.paid("new-fields-kim", "m2")
    assert caller.get("/payments/find/m1")["amount"] == 8900


@pytest.mark.parametrize(("serialised", "charged"), [(True, 1), (False, 2)])
def test_two_charges_at_the_same_time_are_racy_or_serialised(sandbox, serialised, charged):
    caller = sandbox(serialised=serialised, slow_seconds=0.5)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: caller.again("slow-kim", "m1"), range(2)))
    assert len(caller.ledger(merchant_uid="m1", status="paid")) == charged
    assert caller.summary()["more_than_once"] == ({} if serialised else {"m1": 2})


def test_an_unreadable_body_is_an_envelope_and_not_a_crash(sandbox):
    caller = sandbox()
    answer = caller.http.post("/subscribe/payments/again", content=b'{"customer_uid":')
    assert caller.refused(answer, 400)["code"] == -1
    assert caller.http.post("/subscribe/payments/again", content=b"[1]").status_code == 400
    assert caller.http.get("/nowhere").json()["response"] is None


@pytest.mark.parametrize("odd", [r'"\ud83d"', "1e400", "[]", '{"a":[]}', "true", '"NaN"', "[" * 5000 + "]" * 5000])
def test_an_odd_value_is_an_envelope_and_the_ledger_goes_on(sandbox, odd, tmp_path):
    caller = sandbox(ledger=tmp_path / "ledger.jsonl")
    for field in ("amount", "merchant_uid", "notice_url"):
        body = f'{{"customer_uid": "ok-kim", "merchant_uid": "m1", "amount": 1, "{field}": {odd}}}'
        assert "code" in caller.http.post("/subscribe/payments/again", content=body).json()
    caller.paid("ok-kim", "m2")
