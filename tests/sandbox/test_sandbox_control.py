import httpx
import pytest
from sandbox_calls import eventually

from billing_worker.sandbox.world.behaviours import BEHAVIOURS

SHORT, LONG = 0.6, 60.0
"""Seconds: what is delayed is not waited for, and what is not delayed has half of the delay to arrive."""


def test_the_marker_tells_that_no_real_money_moves(sandbox):
    caller = sandbox()
    marker = httpx.get(f"{caller.url}/_sandbox", timeout=60).json()
    assert marker["sandbox"] == "billing-worker"
    assert abs(marker["now"] - marker["real_now"]) <= 1
    assert httpx.get(f"{caller.url}/_sandbox/health/", timeout=60).json() == {"status": "ok"}


def test_the_table_of_behaviours_is_listed_and_its_cards_are_unique(sandbox):
    rows = sandbox().http.get("/_sandbox/behaviours").json()
    assert [row["name"] for row in rows] == list(BEHAVIOURS)
    cards = [row["card"] for row in rows if row["card"]]
    assert len(cards) == len(set(cards)) > 30
    assert all(row["summary"] and row["evidence"] for row in rows)


def test_a_one_shot_rule_comes_before_the_prefix_and_is_used_up(sandbox):
    caller = sandbox()
    caller.control("/rules", behaviour="decline-stolen", customer_uid="ok-kim", fail_reason="분실카드")
    assert caller.again("ok-kim", "m1").json()["response"]["fail_reason"] == "분실카드"
    caller.paid("ok-kim", "m1")
    assert caller.http.get("/_sandbox/rules").json() == []


def test_a_rule_may_wait_for_the_nth_call_and_match_a_merchant_uid_prefix(sandbox):
    caller = sandbox()
    caller.control("/rules", behaviour="drop-after-charge", merchant_uid_prefix="inv", nth=2)
    caller.paid("ok-kim", "inv1")
    caller.paid("ok-kim", "other")
    with pytest.raises(httpx.RemoteProtocolError):
        caller.again("ok-kim", "inv2")
    caller.paid("ok-kim", "inv3")


def test_a_sticky_rule_lasts_until_the_rules_are_deleted(sandbox):
    caller = sandbox()
    caller.control("/rules", behaviour="error503", customer_uid_prefix="ok-", times=None)
    assert [caller.again("ok-kim", f"m{n}").status_code for n in range(3)] == [503] * 3
    caller.http.delete("/_sandbox/rules")
    caller.paid("ok-kim", "m1")


def test_a_rule_may_hit_reads_tokens_and_cancels(sandbox):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    for endpoint, call in (
        ("read", lambda: caller.http.get("/payments/find/m1")),
        ("token", lambda: caller.http.post("/users/getToken", json={})),
        ("cancel", lambda: caller.http.post("/payments/cancel", json={"merchant_uid": "m1"})),
        ("any", lambda: caller.http.get("/payments/findAll/m1")),
    ):
        caller.control("/rules", behaviour="error502-html", endpoint=endpoint)
        assert call().status_code == 502
    assert caller.ledger()[0]["status"] == "paid"


def test_a_rule_may_match_a_read_by_its_merchant_uid_and_delay_it(sandbox):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    caller.control("/rules", behaviour="ok", endpoint="read", merchant_uid="m1", delay=LONG)
    with pytest.raises(httpx.ReadTimeout):
        caller.http.get("/payments/find/m1", timeout=SHORT)
    assert caller.http.get("/payments/find/m1", timeout=LONG / 2).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"behaviour": "nonsense"}, {}, {"behaviour": "ok", "colour": 1}, {"behaviour": "ok", "endpoint": "x"}]
)
def test_a_rule_that_cannot_be_meant_is_a_readable_400(sandbox, wrong):
    answer = sandbox().http.post("/_sandbox/rules", json=wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_an_outage_hits_the_named_endpoints_for_a_while(sandbox):
    caller = sandbox()
    caller.control("/outage", behaviour="error502-html", seconds=0.5, endpoints=["again"])
    assert caller.again("ok-kim", "m1").status_code == 502
    assert caller.http.get("/users/pg").status_code == 200
    eventually(lambda: caller.again("ok-kim", "m1").status_code == 200)
    caller.control("/outage", behaviour="drop-before-charge")
    with pytest.raises(httpx.RemoteProtocolError):
        caller.http.get("/users/pg")
    caller.http.delete("/_sandbox/outage")
    assert caller.http.get("/users/pg").status_code == 200


def test_latency_is_set_and_taken_off(sandbox):
    caller = sandbox()
    caller.control("/latency", charge="60000,60001", read=None)
    caller.http.timeout = SHORT
    with pytest.raises(httpx.ReadTimeout):
        caller.again("ok-kim", "m1")
    caller.control("/latency", charge=None)
    caller.http.timeout = LONG / 2
    assert caller.again("ok-kim", "m2").status_code == 200
    assert caller.http.post("/_sandbox/latency", json={"charge": "fast"}).status_code == 400


def test_every_request_is_recorded_with_its_times_and_without_secrets(sandbox):
    caller = sandbox()
    caller.again("decline-limit-kim", "m1")
    wanted = {"card_number": "4242-4242-4242-4242", "expiry": "2030-01", "cvc": "123", "pwd_2digit": "12"}
    caller.http.post("/subscribe/customers/member-1", json=wanted)
    with pytest.raises(httpx.RemoteProtocolError):
        caller.again("drop-before-charge-kim", "m2")
    token, charge, issue, dropped = caller.http.get("/_sandbox/requests").json()
    assert token["fields"] == {"imp_key": "***", "imp_secret": "***"}
    assert (charge["path"], charge["status"], charge["behaviour"]) == (
        "/subscribe/payments/again",
        200,
        "decline-limit",
    )
    assert charge["fields"]["merchant_uid"] == "m1"
    assert charge["arrived"] <= charge["finished"]
    assert issue["fields"] == wanted | {"expiry": "***", "card_number": "***4242", "cvc": "***", "pwd_2digit": "***"}
    assert dropped["status"] is None
    later = caller.http.get("/_sandbox/requests", params={"since": charge["seq"], "path": "/subscribe/customers"})
    assert [one["seq"] for one in later.json()] == [issue["seq"]]


def test_the_ring_of_requests_is_bounded(sandbox):
    caller = sandbox(requests_kept=5)
    for number in range(9):
        caller.http.get(f"/payments/find/m{number}")
    assert len(caller.http.get("/_sandbox/requests").json()) == 5


def test_the_ledger_is_filtered_paged_and_streamed(sandbox):
    caller = sandbox()
    for number in range(7):
        caller.paid(f"ok-{number % 2}", f"m{number}")
    assert len(caller.ledger(customer_uid="ok-0")) == 4
    assert [row["merchant_uid"] for row in caller.ledger(merchant_uid="m3")] == ["m3"]
    first = caller.http.get("/_sandbox/ledger", params={"limit": 3}).json()
    rest = caller.http.get("/_sandbox/ledger", params={"after": first["next"]}).json()
    assert [row["order"] for row in first["list"] + rest["list"]] == list(range(1, 8))
    assert rest["next"] is None
    assert len(caller.http.get("/_sandbox/ledger", params={"format": "jsonl"}).text.splitlines()) == 7


def test_the_summary_counts_money_that_was_kept(sandbox):
    caller = sandbox()
    caller.paid("ok-kim", "m1")
    caller.paid("ok-kim", "m2")
    caller.again("decline-limit-kim", "m3")
    caller.http.post("/payments/cancel", json={"merchant_uid": "m2"})
    caller.control("/operator/pay", merchant_uid="m1")
    summary = caller.summary()
    assert summary["by_status"]["paid"] == {"count": 2, "amount": 17800, "cancel_amount": 0}
    assert (summary["charged_merchant_uids"], summary["uncompensated_payments"]) == (1, 2)
    assert summary["uncompensated_amount"] == 17800
    assert summary["more_than_once"] == {"m1": 2}


def test_an_operator_charges_and_refunds_behind_the_merchants_back(sandbox, receiver):
    caller = sandbox(webhook_url=receiver.url)
    failed = caller.again("decline-limit-kim", "m1").json()["response"]
    assert caller.control("/operator/pay", imp_uid=failed["imp_uid"])["status"] == "paid"
    other = caller.control("/operator/pay", merchant_uid="m2", customer_uid="ok-kim", amount=500)
    assert (other["origin"], other["amount"]) == ("operator", 500)
    assert caller.control("/operator/cancel", merchant_uid="m2", amount=200)["cancel_amount"] == 200
    receiver.wait(3)
    assert caller.http.post("/_sandbox/operator/pay", json={}).status_code == 400
    assert caller.http.post("/_sandbox/operator/cancel", json={"merchant_uid": "none"}).status_code == 404


def test_keys_are_registered_replaced_and_deleted_by_hand(sandbox):
    caller = sandbox()
    caller.control("/keys", customer_uid="member-1", pg="kcp_billing")
    assert caller.paid("member-1", "m1")["pg_provider"] == "kcp_billing"
    caller.control("/keys", customer_uid="member-1", action="replace", card_number=BEHAVIOURS["decline-stolen"].card)
    assert caller.again("member-1", "m2").json()["response"]["fail_reason"] == "[CC43]도난카드"
    assert caller.control("/keys", customer_uid="ok-kim", action="delete")["deleted"] is True
    caller.refused(caller.again("ok-kim", "m3"))


def test_a_rate_limit_answers_429_only_above_it(sandbox):
    caller = sandbox(rate_limit=3)
    statuses = [caller.http.get("/users/pg").status_code for _ in range(6)]
    assert 429 in statuses
    assert statuses[0] == 200
