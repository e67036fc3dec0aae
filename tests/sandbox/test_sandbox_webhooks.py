import json
import time
from urllib.parse import parse_qsl

import pytest
from sandbox_calls import eventually


def test_an_approval_sends_three_unsigned_fields_once(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url)
    payment = caller.paid("ok-kim", "m1")
    [got] = receiver.wait(1)
    assert got.content_type == "application/json"
    assert json.loads(got.body) == {"imp_uid": payment["imp_uid"], "merchant_uid": "m1", "status": "paid"}


def test_webhooks_may_be_forms(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url, webhook_format="form")
    caller.paid("ok-kim", "m1")
    [got] = receiver.wait(1)
    assert got.content_type == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(got.body))["status"] == "paid"


def test_a_decline_of_again_sends_nothing(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url)
    caller.again("decline-limit-kim", "m1")
    caller.paid("webhook-never-kim", "m2")
    assert caller.http.get("/_sandbox/webhooks").json() == []


def test_a_notice_url_takes_the_place_of_the_configured_one(sandbox, receiver):
    caller = sandbox(webhook_url="http://127.0.0.1:9/never")
    caller.paid("ok-kim", "m1", notice_url=f"{receiver.url}/own")
    assert receiver.wait(1)[0].path == "/hook/own"


def test_a_webhook_comes_before_or_after_the_answer_and_twice(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url)
    caller.paid("webhook-before-kim", "m1")
    answered = time.time()
    assert receiver.wait(1)[0].at < answered
    caller.paid("webhook-twice-kim", "m2")
    assert [json.loads(got.body)["merchant_uid"] for got in receiver.wait(3)] == ["m1", "m2", "m2"]


def test_a_late_webhook_comes_behind_that_of_a_later_payment(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url, late_after=0.5)
    caller.paid("webhook-late-kim", "m1")
    caller.paid("ok-kim", "m2")
    assert [json.loads(got.body)["merchant_uid"] for got in receiver.wait(2)] == ["m2", "m1"]


@pytest.mark.parametrize(("attempts", "answers", "sent"), [(1, [500], 1), (6, [500, 503], 3), (3, [500] * 9, 3)])
def test_a_webhook_is_sent_again_after_a_5xx_only_if_that_was_asked_for(sandbox, receiver, attempts, answers, sent):
    caller = sandbox(webhook_url=receiver.url, webhook_attempts=attempts, webhook_interval=0.05)
    receiver.answers = [(status, b"") for status in answers]
    caller.paid("ok-kim", "m1")
    receiver.wait(sent)
    [row] = caller.http.get("/_sandbox/webhooks").json()
    assert row["attempts"] == len(receiver.got) == sent


def test_a_webhook_may_be_sent_again_by_hand(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url)
    caller.paid("webhook-never-kim", "m1")
    assert caller.control("/webhooks/resend", merchant_uid="m1", times=2)["status"] == "paid"
    assert len(receiver.wait(2)) == 2


@pytest.mark.parametrize("name", ["late-approval", "late-error", "status-ready", "status-pending", "status-unknown"])
def test_a_late_approval_turns_paid_with_a_webhook_and_the_same_imp_uid(sandbox, receiver, name):
    caller = sandbox(webhook_url=receiver.url, late_after=0.3)
    caller.again(f"{name}-kim", "m1")
    [row] = caller.ledger()
    assert row["status"] in {"failed", "ready", "pending", "settling"}
    assert row["paid_at"] == 0
    sent = json.loads(receiver.wait(1)[0].body)
    assert sent == {"imp_uid": row["imp_uid"], "merchant_uid": "m1", "status": "paid"}
    assert caller.get(f"/payments/{row['imp_uid']}")["status"] == "paid"


def test_a_late_approval_charges_twice_if_it_was_charged_again_meanwhile(sandbox):
    caller = sandbox(late_after=0.3)
    caller.again("late-error-kim", "m1")
    caller.paid("ok-kim", "m1")
    eventually(lambda: caller.summary()["more_than_once"] == {"m1": 2})


def test_a_net_cancel_takes_the_money_back_later(sandbox):
    caller = sandbox(late_after=0.3)
    caller.refused(caller.again("net-cancel-kim", "m1"))
    assert caller.ledger()[0]["status"] == "paid"
    row = eventually(lambda: next(iter(caller.ledger(status="cancelled")), None))
    assert row["cancel_amount"] == row["amount"]
