import json

import pytest
from sandbox_calls import eventually

DAY = 86_400


def schedule(caller, customer_uid, *items, **fields):
    body = {"customer_uid": customer_uid, "schedules": list(items)} | fields
    return caller.http.post("/subscribe/payments/schedule", json=body)


def now(caller):
    return caller.http.get("/_sandbox").json()["now"]


def item(caller, merchant_uid, after=3600, **fields):
    return {"merchant_uid": merchant_uid, "schedule_at": now(caller) + after, "amount": 8900} | fields


@pytest.mark.parametrize(("uid", "status"), [("ok-kim", "paid"), ("decline-limit-kim", "failed")])
def test_a_schedule_runs_at_its_time_and_sends_a_webhook_whether_paid_or_failed(sandbox, receiver, uid, status):
    caller = sandbox(webhook_url=receiver.url)
    answer = schedule(caller, uid, item(caller, "s1", after=1)).json()["response"]
    assert (answer[0]["schedule_status"], answer[0]["imp_uid"], answer[0]["payment_status"]) == (
        "scheduled",
        None,
        None,
    )
    sent = json.loads(receiver.wait(1)[0].body)
    assert (sent["merchant_uid"], sent["status"]) == ("s1", status)
    done = caller.get("/subscribe/payments/schedule/s1")
    assert (done["schedule_status"], done["payment_status"], done["imp_uid"]) == ("executed", status, sent["imp_uid"])
    assert done["executed_at"] >= done["schedule_at"]
    assert caller.get("/payments/find/s1")["customer_uid_usage"] == "payment.scheduled"


def test_a_form_may_carry_schedules(sandbox):
    caller = sandbox()
    form = {"customer_uid": "ok-kim", "schedules[0][merchant_uid]": "s1", "schedules[0][amount]": "5"}
    form["schedules[0][schedule_at]"] = str(now(caller) + 3600)
    answer = caller.http.post("/subscribe/payments/schedule", data=form).json()
    assert answer["response"][0]["merchant_uid"] == "s1"


def test_schedules_are_refused_without_a_key_in_the_past_and_twice(sandbox):
    caller = sandbox()
    unknown = caller.refused(schedule(caller, "nobody", item(caller, "s1")))
    assert (unknown["code"], unknown["message"]) == (1, "등록된 고객정보가 없습니다.")
    caller.refused(schedule(caller, "ok-kim", item(caller, "s1", after=-5)))
    assert schedule(caller, "ok-kim", item(caller, "s1")).json()["code"] == 0
    caller.refused(schedule(caller, "ok-kim", item(caller, "s2"), item(caller, "s1")))
    assert caller.http.get("/subscribe/payments/schedule/s2").status_code == 404


def test_unscheduling_a_customer_revokes_all_its_schedules(sandbox):
    caller = sandbox()
    schedule(caller, "ok-kim", item(caller, "s1"), item(caller, "s2"), item(caller, "s3"))
    one = caller.http.post("/subscribe/payments/unschedule", json={"customer_uid": "ok-kim", "merchant_uid": ["s1"]})
    assert [row["merchant_uid"] for row in one.json()["response"]] == ["s1"]
    rest = caller.http.post("/subscribe/payments/unschedule", json={"customer_uid": "ok-kim"})
    assert {row["schedule_status"] for row in rest.json()["response"]} == {"revoked"}
    assert len(rest.json()["response"]) == 2
    none = caller.refused(caller.http.post("/subscribe/payments/unschedule", json={"customer_uid": "ok-kim"}))
    assert none["message"] == "취소할 예약결제 기록이 존재하지 않습니다."


@pytest.mark.parametrize("shape", ["paged", "array"])
def test_lists_are_half_open_and_shaped_as_switched(sandbox, shape):
    caller = sandbox(schedule_shape=shape)
    start = now(caller) + 3600
    for number in range(3):
        wanted = {"merchant_uid": f"s{number}", "schedule_at": start + number, "amount": 1}
        schedule(caller, "ok-kim", wanted)
    answer = caller.get("/subscribe/payments/schedule", schedule_from=start, schedule_to=start + 2)
    rows = answer if shape == "array" else answer["list"]
    assert [row["merchant_uid"] for row in rows] == ["s1", "s0"]
    window = {"from": start, "to": start + 9}
    for path in ("/subscribe/payments/schedule/customers/ok-kim", "/subscribe/customers/ok-kim/schedules"):
        of_customer = caller.get(path, **window)
        assert len(of_customer if shape == "array" else of_customer["list"]) == 3
    oldest = caller.get("/subscribe/payments/schedule", schedule_from=start, schedule_to=start + 2, sorting="scheduled")
    assert [row["merchant_uid"] for row in (oldest if shape == "array" else oldest["list"])] == ["s0", "s1"]
    wide = {"schedule_from": start, "schedule_to": start + 100 * DAY}
    assert caller.http.get("/subscribe/payments/schedule", params=wide).status_code == 400


def test_a_garbled_schedule_shows_what_was_asked_for_until_that_ends(sandbox):
    caller = sandbox()
    schedule(caller, "ok-kim", item(caller, "s1"))
    caller.control("/operator/garble", merchant_uid="s1", fields={"amount": 0.5, "name": "x"})
    shown = caller.get("/subscribe/payments/schedule/s1")
    assert (shown["amount"], shown["name"], shown["merchant_uid"]) == (0.5, "x", "s1")
    caller.control("/operator/garble", merchant_uid="s1", fields={})
    assert caller.get("/subscribe/payments/schedule/s1")["amount"] == 8900
    for mistake in ({"merchant_uid": "s9", "fields": {}}, {"merchant_uid": "s1"}):
        assert caller.http.post("/_sandbox/operator/garble", json=mistake).status_code == 400


def test_a_moved_schedule_runs_at_its_new_time_only(sandbox):
    caller = sandbox()
    schedule(caller, "ok-kim", item(caller, "s1", after=3600))
    moved = caller.http.put("/subscribe/payments/schedule/s1", json={"schedule_at": now(caller) + 1})
    assert moved.json()["code"] == 0
    eventually(lambda: caller.ledger(merchant_uid="s1"))
    late = caller.http.put("/subscribe/payments/schedule/s1", json={"schedule_at": now(caller) + 9})
    assert caller.refused(late, 400)
    assert caller.http.put("/subscribe/payments/schedule/none", json={}).status_code == 404


def test_a_failed_schedule_may_be_retried_at_once_or_rescheduled_under_its_merchant_uid(sandbox):
    caller = sandbox()
    uid = "decline-limit-2x-kim"
    schedule(caller, uid, item(caller, "s1", after=1))
    path = "/subscribe/payments/schedule/s1"
    assert caller.http.post(f"{path}/retry").status_code == 400
    eventually(lambda: caller.get(path)["payment_status"] == "failed")
    tried = caller.http.post(f"{path}/retry").json()["response"]  # a payment, not a schedule: the V1 description
    assert (tried["status"], tried["merchant_uid"]) == ("failed", "s1")
    again = caller.http.post(f"{path}/reschedule", json={"schedule_at": now(caller) + 1})
    assert again.json()["response"]["schedule_status"] == "scheduled"
    eventually(lambda: caller.get(path)["payment_status"] == "paid")
    assert [row["status"] for row in caller.ledger(merchant_uid="s1")] == ["failed", "failed", "paid"]
    assert caller.http.post(f"{path}/retry").status_code == 400


def test_a_revoked_schedule_may_be_retried_at_once(sandbox):
    caller = sandbox()
    schedule(caller, "ok-kim", item(caller, "s1"))
    caller.http.post("/subscribe/payments/unschedule", json={"merchant_uid": "s1"})
    tried = caller.http.post("/subscribe/payments/schedule/s1/retry").json()["response"]
    assert (tried["status"], tried["customer_uid_usage"]) == ("paid", "payment.scheduled")
    assert caller.get("/subscribe/payments/schedule/s1")["schedule_status"] == "executed"


def test_a_retry_that_reached_no_payment_is_refused(sandbox):
    caller = sandbox()
    schedule(caller, "ok-kim", item(caller, "s1"))
    caller.http.post("/subscribe/payments/unschedule", json={"merchant_uid": "s1"})
    caller.control("/rules", behaviour="comm-error", endpoint="retry")
    caller.refused(caller.http.post("/subscribe/payments/schedule/s1/retry"))
    assert caller.ledger() == []
