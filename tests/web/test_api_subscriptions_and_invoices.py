"""Subscriptions and invoices over HTTP, and the plain words about them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from web_calls import PLAN, assert_problem
from web_helpers import Web

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.payment import Approved, ChargeRequest, Declined, Failed, Outcome, Unknown
from tests.builders import EVIDENCE, a_payment


def approve(request: ChargeRequest) -> Outcome:
    names = {"merchant_uid": request.merchant_uid, "customer_uid": request.customer_uid, "money": request.money}
    return Approved(a_payment(**names), EVIDENCE)


def decline(_: ChargeRequest) -> Outcome:
    return Declined(normalise("", "한도초과"), "한도초과", EVIDENCE, "imps_000000000009")


def decline_for_good(_: ChargeRequest) -> Outcome:
    return Declined(normalise("", "분실카드"), "분실카드", EVIDENCE, "imps_000000000009")


def fail(_: ChargeRequest) -> Outcome:
    return Failed("connection refused", EVIDENCE)


def lose(_: ChargeRequest) -> Outcome:
    return Unknown("no answer within 65 s", EVIDENCE)


def test_a_customer_is_subscribed_shown_and_listed(web: Web) -> None:
    subscription = web.subscribed()
    assert (subscription["status"], subscription["customer"]) == ("pending", "user-1")
    assert subscription["start"] == subscription["next_period_start"] == subscription["created_at"]
    assert "lease_until" not in subscription
    assert web.api.get(f"/v1/subscriptions/{subscription['id']}").json() == subscription | {"invoices": []}
    assert web.api.get("/v1/subscriptions").json() == {"data": [subscription], "next_cursor": None}


def test_a_subscription_may_start_later_in_any_zone(web: Web) -> None:
    subscription = web.subscribed()
    wanted = {name: subscription[name] for name in ("plan_id", "billing_key_id", "customer")}
    later = web.create("subscriptions", **wanted, start="2026-03-31T09:00:00+09:00", allow_duplicate=True)
    assert datetime.fromisoformat(later["start"]) == datetime.fromisoformat("2026-03-31T00:00:00+00:00")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"plan_id": "plan_unknown"}, "plan_id"),
        ({"billing_key_id": "key_unknown"}, "billing_key_id"),
        ({"plan_id": "\x00"}, "plan_id"),
        ({"customer": " "}, "customer"),
        ({"customer": "x" * 121}, "customer"),
        ({"customer": "a\x00"}, "customer"),
        ({"customer": 1}, "customer"),
        ({"start": "2026-03-31T09:00:00"}, "start"),
        ({"start": "31 March"}, "start"),
        ({"start": 1774915200}, "start"),
        ({"start": "0001-01-01T00:00:00+09:00"}, "start"),
        ({"start": "9999-12-31T23:59:59-12:00"}, "start"),
        ({"quantity": 2}, "quantity"),
    ],
    ids=str,
)
def test_a_wrong_subscription_is_refused_with_the_field_and_nothing_is_stored(
    web: Web, change: dict[str, Any], field: str
) -> None:
    plan = web.create("plans", **PLAN)
    key = web.create("billing-keys", customer_uid="user-1-card-1", pg_provider="nice_v2")
    body = {"plan_id": plan["id"], "billing_key_id": key["id"], "customer": "user-1"} | change
    assert_problem(web.api.post("/v1/subscriptions", json=body), 422, field)
    assert (web.count("subscriptions"), web.count("outbox")) == (0, 0)


def test_a_subscription_on_an_invalid_key_is_a_conflict(web: Web) -> None:
    subscription, invoice_id = web.invoiced()
    web.charge(invoice_id, decline_for_good)
    body = {name: subscription[name] for name in ("plan_id", "billing_key_id", "customer")}
    assert_problem(web.api.post("/v1/subscriptions", json=body), 409, "billing_key_id")
    assert web.count("subscriptions") == 1


def test_subscriptions_are_listed_by_status(web: Web) -> None:
    subscription, invoice_id = web.invoiced()
    web.charge(invoice_id, approve)
    web.subscribed("user-2")
    for status, ids in (("active", [subscription["id"]]), ("canceled", [])):
        found = web.api.get("/v1/subscriptions", params={"status": status}).json()["data"]
        assert [one["id"] for one in found] == ids
    assert_problem(web.api.get("/v1/subscriptions?status=happy"), 422, "status")


def test_a_subscription_ends_at_once_and_only_once(web: Web) -> None:
    subscription, invoice_id = web.invoiced()
    path = f"/v1/subscriptions/{subscription['id']}/cancel"
    answer = web.api.post(path, json={"at_period_end": False})
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert answer.json()["canceled_at"] is not None
    assert web.api.get(f"/v1/invoices/{invoice_id}").json()["status"] == "void"
    assert_problem(web.api.post(path, json={}), 409)


def test_a_subscription_may_end_with_its_period(web: Web) -> None:
    subscription = web.subscribed()
    path = f"/v1/subscriptions/{subscription['id']}/cancel"
    answer = web.api.post(path, json={"at_period_end": True}).json()
    assert (answer["status"], answer["cancel_at_period_end"]) == ("pending", True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"at_period_end": "true"}, "at_period_end"),
        ({"at_period_end": 1}, "at_period_end"),
        ({"at_end": True}, "at_end"),
    ],
)
def test_a_cancellation_that_says_something_unclear_ends_nothing(web: Web, body: dict[str, Any], field: str) -> None:
    subscription = web.subscribed()
    assert_problem(web.api.post(f"/v1/subscriptions/{subscription['id']}/cancel", json=body), 422, field)
    assert web.api.get(f"/v1/subscriptions/{subscription['id']}").json() == subscription | {"invoices": []}


def test_a_cancellation_without_a_body_ends_nothing(web: Web) -> None:
    subscription = web.subscribed()
    assert_problem(web.api.post(f"/v1/subscriptions/{subscription['id']}/cancel"), 415)
    assert_problem(web.api.post("/v1/subscriptions/sub_unknown/cancel", json={}), 404)
    assert web.rows("SELECT status FROM subscriptions") == [{"status": "pending"}]


def test_another_card_takes_over_and_what_is_open_follows(web: Web) -> None:
    subscription, invoice_id = web.invoiced()
    web.charge(invoice_id, decline_for_good)
    key = web.create("billing-keys", customer_uid="user-1-card-2", pg_provider="nice_v2")
    path = f"/v1/subscriptions/{subscription['id']}/billing-key"
    answer = web.api.put(path, json={"billing_key_id": key["id"]})
    assert (answer.status_code, answer.json()["billing_key_id"]) == (200, key["id"])
    invoice = web.api.get(f"/v1/invoices/{invoice_id}").json()
    assert (invoice["billing_key_id"], invoice["status"]) == (key["id"], "open")
    assert datetime.fromisoformat(invoice["next_attempt_at"]) <= web.clock.now()


def test_a_card_that_is_unknown_or_invalid_does_not_take_over(web: Web) -> None:
    subscription, invoice_id = web.invoiced()
    web.charge(invoice_id, decline_for_good)
    path = f"/v1/subscriptions/{subscription['id']}/billing-key"
    assert_problem(web.api.put(path, json={"billing_key_id": "key_unknown"}), 422, "billing_key_id")
    assert_problem(web.api.put(path, json={"billing_key_id": subscription["billing_key_id"]}), 409, "billing_key_id")
    assert_problem(web.api.put(path, json={}), 422, "billing_key_id")
    assert_problem(web.api.put("/v1/subscriptions/sub_x/billing-key", json={"billing_key_id": "key_x"}), 404)
    web.api.post(f"/v1/subscriptions/{subscription['id']}/cancel", json={})
    assert_problem(web.api.put(path, json={"billing_key_id": "key_x"}), 409)


def test_an_invoice_shows_every_attempt(web: Web) -> None:
    _, invoice_id = web.invoiced()
    web.charge(invoice_id, decline)
    web.clock.advance(days=3)  # the default policy tries at 11:00 on the next day
    web.charge(invoice_id, approve)
    invoice = web.api.get(f"/v1/invoices/{invoice_id}").json()
    assert (invoice["status"], invoice["amount"], invoice["currency"]) == ("paid", 9900, "KRW")
    assert (invoice["attempt_count"], invoice["decline_count"]) == (2, 1)
    told = [(one["number"], one["status"], one["decline_kind"], one["imp_uid"]) for one in invoice["attempts"]]
    assert told == [(1, "declined", "soft", "imps_000000000009"), (2, "approved", None, "imps_000000000001")]
    assert "customer_uid" not in web.api.get(f"/v1/invoices/{invoice_id}").text


def test_invoices_are_listed_by_status_and_by_subscription_newest_first(web: Web) -> None:
    mine, first = web.invoiced()
    web.charge(first, approve)
    web.clock.advance(days=31)
    second = web.open_invoice(mine)
    other, foreign = web.invoiced(customer_uid="user-2")

    def listed(**query: str | int) -> list[str]:
        return [one["id"] for one in web.api.get("/v1/invoices", params=query).json()["data"]]

    assert set(listed()) == {first, second, foreign}
    assert listed(status="paid") == [first]
    assert listed(subscription_id=mine["id"]) == [second, first]
    assert listed(subscription_id=mine["id"], status="open") == [second]
    assert listed(subscription_id=mine["id"], limit=1) == [second]
    assert listed(subscription_id=other["id"]) == [foreign]
    assert listed(subscription_id="sub_unknown") == []
    assert_problem(web.api.get("/v1/invoices?subscription_id=%00"), 422, "subscription_id")
    assert_problem(web.api.get("/v1/invoices?status=lost"), 422, "status")


def test_an_unpaid_invoice_is_made_due_again_on_request(web: Web) -> None:
    _, invoice_id = web.invoiced()
    web.charge(invoice_id, decline)
    for _ in range(2):
        answer = web.api.post(f"/v1/invoices/{invoice_id}/retry")
        assert (answer.status_code, answer.json()["status"]) == (200, "open")
        assert datetime.fromisoformat(answer.json()["next_attempt_at"]) == web.clock.now()
    assert len(web.gateway.charges) == 1


def test_what_stands_against_another_try_is_said(web: Web) -> None:
    _, paid = web.invoiced()
    web.charge(paid, approve)
    _, unclear = web.invoiced(customer_uid="user-2")
    web.charge(unclear, lose)
    _, lost = web.invoiced(customer_uid="user-3")
    web.charge(lost, decline_for_good)
    for invoice_id, reason in ((paid, "is paid"), (unclear, "not known yet"), (lost, "set another key")):
        assert reason in assert_problem(web.api.post(f"/v1/invoices/{invoice_id}/retry"), 409)
    assert_problem(web.api.post("/v1/invoices/inv_unknown/retry"), 404)
    assert len(web.gateway.charges) == 3


def test_why_answers_for_every_kind_of_id(web: Web) -> None:
    subscription, invoice_id = web.invoiced()
    web.charge(invoice_id, decline)
    invoice = web.api.get(f"/v1/invoices/{invoice_id}").json()
    idents = [subscription["id"], invoice_id, invoice["attempts"][0]["id"], invoice["merchant_uid"]]
    for ident in idents:
        told = web.api.get(f"/v1/why/{ident}").json()
        assert set(told) == {"subject", "answer", "history", "actions", "next", "ways_out", "alerts", "notices"}
        assert "한도초과" in told["answer"]
        assert told["history"]
    key = web.api.get(f"/v1/why/{subscription['billing_key_id']}").json()
    assert key["answer"].startswith("It may be charged")
    assert_problem(web.api.get("/v1/why/inv_unknown"), 404)
    assert_problem(web.api.get("/v1/why/nonsense"), 422, "id")


def test_the_report_and_the_alerts_say_how_things_stand(web: Web) -> None:
    _, paid = web.invoiced()
    web.charge(paid, approve)
    waiting, _ = web.invoiced(customer_uid="user-2")
    web.clock.advance(hours=2)
    with web.ports.database.transaction() as uow:
        uow.alerts.open(AlertKind.MISMATCH, waiting["id"], {"reason": "look at this"}, web.clock.moment())
        uow.commit()
    told = web.api.get("/v1/report").json()
    (month,) = told["months"]
    assert (month["invoices"], month["paid"], month["paid_amount"], month["currency"]) == (2, 1, 9900, "KRW")
    assert (told["standing"]["due"], told["standing"]["open_alerts"]) == (1, 1)
    oldest = datetime.fromisoformat(told["standing"]["oldest_due"])
    assert web.clock.now() - oldest == timedelta(hours=2)
    assert [alert["facts"] for alert in told["alerts"]] == [{"reason": "look at this"}]
    assert told["alerts"][0]["detail"].endswith("look at this")
    assert web.api.get("/v1/alerts").json()["data"] == told["alerts"]


def test_a_charge_that_could_not_be_placed_uses_up_no_dunning(web: Web) -> None:
    _, invoice_id = web.invoiced()
    web.charge(invoice_id, fail)
    invoice = web.api.get(f"/v1/invoices/{invoice_id}").json()
    assert (invoice["status"], invoice["decline_count"], invoice["attempts"][0]["status"]) == ("open", 0, "failed")
