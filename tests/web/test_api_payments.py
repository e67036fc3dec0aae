"""Single payments over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from web_calls import assert_problem, eventually
from web_helpers import Web

from billing_worker.usecases.jobs import JobName


def a_key(web: Web, pg: str = "nice_v2", **more: Any) -> str:
    return str(web.create("billing-keys", customer_uid=f"card-at-{pg}", pg_provider=pg, **more)["id"])


def test_a_payment_is_stored_shown_listed_and_rung_for(web: Web) -> None:
    key = a_key(web)
    web.doorbell.rings.clear()
    made = web.create("payments", billing_key_id=key, amount=9900, order_id="order-1", custom_data="basket 42")
    shown = {name: made[name] for name in ("status", "amount", "order_id", "customer", "name", "custom_data")}
    assert shown == {
        "status": "open",
        "amount": 9900,
        "order_id": "order-1",
        "customer": key,
        "name": "결제",
        "custom_data": "basket 42",
    }
    detail = {"refunded": 0, "refundable": 0, "attempts": [], "refunds": []}
    assert web.api.get(f"/v1/payments/{made['id']}").json() == made | detail
    assert web.api.get("/v1/payments", params={"order_id": "order-1"}).json()["data"] == [made]
    assert web.api.get("/v1/payments", params={"customer": "nobody"}).json()["data"] == []
    invoice = web.api.get(f"/v1/invoices/{made['id']}").json()
    assert (invoice["subscription_id"], invoice["period_start"]) == (None, None)
    eventually(lambda: (JobName.COLLECT, made["id"]) in web.doorbell.rings, "the ring for the charge")


def test_a_later_one_is_not_rung_for_and_may_be_canceled(web: Web) -> None:
    key, later = a_key(web), (web.clock.now() + timedelta(days=2)).isoformat()
    made = web.create("payments", billing_key_id=key, amount=500, at=later)
    canceled = web.api.post(f"/v1/payments/{made['id']}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "void")
    assert (JobName.COLLECT, made["id"]) not in web.doorbell.rings
    assert_problem(web.api.post(f"/v1/payments/{made['id']}/cancel"), 409, "payment_id")


def test_the_same_order_number_is_the_same_payment(web: Web) -> None:
    key = a_key(web)
    first = web.create("payments", billing_key_id=key, amount=500, order_id="order-1")
    again = web.api.post("/v1/payments", json={"billing_key_id": key, "amount": 500, "order_id": "order-1"})
    assert_problem(again, 409, "order_id")
    assert again.json()["existing_id"] == first["id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"tax_free": 10_000}, "tax_free"),
        ({"vat_amount": -1}, "vat_amount"),
        ({"vat_amount": 900, "tax_free": 9900}, "vat_amount"),
        ({"card_quota": 6}, "card_quota"),
        ({"notice_url": "ftp://x"}, "notice_url"),
        ({"custom_data": "\x00"}, "custom_data"),
        ({"order_id": "한글"}, "order_id"),
        ({"billing_key_id": "key_unknown"}, "billing_key_id"),
        ({"retry_days": [0]}, "retry_days"),
        ({"at": "2026-03-31T09:00:00"}, "at"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_bad_input_names_its_field_and_stores_nothing(web: Web, change: dict[str, Any], field: str) -> None:
    wanted = {"billing_key_id": a_key(web), "amount": 9900} | change
    answer = web.api.post("/v1/payments", json=wanted)
    assert answer.status_code in (400, 422)
    assert field in str(answer.json())
    assert web.count("invoices") == 0


def test_a_period_is_no_payment(web: Web) -> None:
    _, invoice_id = web.invoiced()
    assert web.api.get(f"/v1/payments/{invoice_id}").status_code == 404
    assert_problem(web.api.post(f"/v1/payments/{invoice_id}/cancel"), 409, "payment_id")


def test_plans_take_the_same_options(web: Web) -> None:
    plan = web.create("plans", name="Books", amount=9900, currency="KRW", interval="month", tax_free=9900)
    assert (plan["tax_free"], plan["vat_amount"]) == (9900, None)
    assert web.api.get(f"/v1/plans/{plan['id']}").json() == plan
