import pytest


def cancel(caller, **fields):
    return caller.http.post("/payments/cancel", json=fields)


def test_a_partial_refund_turns_the_status_to_cancelled(sandbox):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    payment = cancel(caller, merchant_uid="m1", amount=900, checksum=8900, reason="half").json()["response"]
    assert (payment["status"], payment["amount"], payment["cancel_amount"]) == ("cancelled", 8900, 900)
    assert payment["cancelled_at"] >= payment["paid_at"] > 0
    [entry] = payment["cancel_history"]
    assert (entry["amount"], entry["reason"]) == (900, "half")
    assert entry["cancellation_id"]
    assert payment["cancel_receipt_urls"] == [entry["receipt_url"]]
    assert caller.summary()["uncompensated_amount"] == 8000


def test_a_cancel_without_a_reason_gets_the_gateways_own(sandbox):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    payment = cancel(caller, merchant_uid="m1").json()["response"]
    assert payment["cancel_reason"] == payment["cancel_history"][0]["reason"] == "취소요청api"


@pytest.mark.parametrize("amount", [None, 0, "0"])
def test_an_amount_of_0_or_none_refunds_all_that_is_left(sandbox, amount):
    caller = sandbox()
    imp_uid = caller.paid("ok-kim", "m1")["imp_uid"]
    cancel(caller, imp_uid=imp_uid, amount=100)
    assert cancel(caller, imp_uid=imp_uid, amount=amount).json()["response"]["cancel_amount"] == 8900


def test_refunds_in_part_of_a_currency_with_decimals_add_up_exactly(sandbox):
    caller = sandbox()
    imp_uid = caller.paid("ok-kim", "m1", amount=12.345, currency="KWD")["imp_uid"]
    assert caller.refused(cancel(caller, imp_uid=imp_uid, amount=12.344, checksum=12.344))["code"] == 1
    cancel(caller, imp_uid=imp_uid, amount=12.344, checksum=12.345)
    payment = cancel(caller, imp_uid=imp_uid, amount=0.001, checksum=0.001).json()["response"]
    assert (payment["amount"], payment["cancel_amount"]) == (12.345, 12.345)
    assert [entry["amount"] for entry in payment["cancel_history"]] == [12.344, 0.001]
    assert caller.summary()["uncompensated_amount"] == 0


def test_a_wrong_checksum_refuses_the_refund(sandbox):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    assert caller.refused(cancel(caller, merchant_uid="m1", amount=100, checksum=8000))["code"] == 1
    assert caller.ledger()[0]["cancel_amount"] == 0


def test_refunds_are_refused_in_the_words_of_the_gateway(sandbox):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    caller.again("decline-limit-kim", "m2")
    assert caller.refused(cancel(caller))["message"].endswith("지정해주셔야합니다.")
    for missing in ({"merchant_uid": "none"}, {"imp_uid": "imp_0"}, {"merchant_uid": "m2"}):
        assert caller.refused(cancel(caller, **missing))["message"] == "취소할 결제건이 존재하지 않습니다."
    assert caller.refused(cancel(caller, merchant_uid="m1", amount=9000))["code"] == 1
    cancel(caller, merchant_uid="m1")
    assert caller.refused(cancel(caller, merchant_uid="m1"))["message"] == "이미 전액취소된 주문입니다."


def test_the_imp_uid_wins_over_the_merchant_uid(sandbox):
    caller = sandbox()
    first = caller.paid("ok-kim", "m1")
    caller.paid("ok-kim", "m2")
    assert cancel(caller, imp_uid=first["imp_uid"], merchant_uid="m2").json()["response"]["merchant_uid"] == "m1"


def test_a_cancel_by_api_sends_a_webhook_only_when_asked(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url)
    caller.paid("webhook-never-kim", "m1")
    cancel(caller, merchant_uid="m1", amount=100)
    cancel(caller, merchant_uid="m1", enable_webhook=True)
    [sent] = caller.http.get("/_sandbox/webhooks").json()
    assert sent["payload"]["status"] == "cancelled"
    assert sent["payload"]["cancellation_id"]
    assert len(receiver.wait(1)) == 1
