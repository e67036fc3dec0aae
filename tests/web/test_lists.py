"""Lists: read part by part to the end, stable while rows are added, cut by every filter that is described."""

from collections.abc import Iterator
from typing import Any

import pytest
from web_calls import PLAN, assert_problem
from web_helpers import Web

from billing_worker.ports.lists import Kind
from billing_worker.web.api.actions import ActionQuery
from billing_worker.web.api.alerts import AlertQuery
from billing_worker.web.api.billing_keys import KeyQuery
from billing_worker.web.api.events import EventQuery
from billing_worker.web.api.inbox import InboxQuery
from billing_worker.web.api.invoices import AttemptQuery, InvoiceQuery
from billing_worker.web.api.notices import NoticeQuery
from billing_worker.web.api.plans import PlanQuery
from billing_worker.web.api.refunds import RefundQuery
from billing_worker.web.api.schedules import ScheduleQuery
from billing_worker.web.api.shadow import ShadowQuery
from billing_worker.web.api.stops import StopQuery
from billing_worker.web.api.subscriptions import SubscriptionQuery

LISTS = {
    "plans": (Kind.PLANS, PlanQuery),
    "billing-keys": (Kind.BILLING_KEYS, KeyQuery),
    "subscriptions": (Kind.SUBSCRIPTIONS, SubscriptionQuery),
    "invoices": (Kind.INVOICES, InvoiceQuery),
    "attempts": (Kind.ATTEMPTS, AttemptQuery),
    "refunds": (Kind.REFUNDS, RefundQuery),
    "schedules": (Kind.SCHEDULES, ScheduleQuery),
    "shadow-charges": (Kind.SHADOW, ShadowQuery),
    "stops": (Kind.STOPS, StopQuery),
    "alerts": (Kind.ALERTS, AlertQuery),
    "events": (Kind.EVENTS, EventQuery),
    "notices": (Kind.NOTICES, NoticeQuery),
    "inbox": (Kind.NOTIFICATIONS, InboxQuery),
    "actions": (Kind.ACTIONS, ActionQuery),
}
VALUES: dict[str, Any] = {
    **dict.fromkeys(("due", "unplaced", "unknown"), "true"),
    "limit": 7,
    "amount_min": 1,
    "amount_max": 99_999,
    "currency": "KRW",
    "open": True,
    "failed": True,
    "foreign": True,
    "stuck": True,
    "expiring": True,
    "differs": True,
}
WORDS = {
    ("billing-keys", "status"): "active",
    ("subscriptions", "status"): "active",
    ("invoices", "status"): "open",
    ("attempts", "status"): "approved",
    ("subscriptions", "collection"): "shadow",
    ("schedules", "status"): "registered",
    ("shadow-charges", "result"): "missing",
    ("refunds", "status"): "pending",
    ("events", "status"): "waiting",
    ("inbox", "status"): "received",
    ("notices", "status"): "sent",
    ("notices", "kind"): "failed",
    ("notices", "channel"): "mail",
    ("refunds", "cause"): "requested",
    ("stops", "cause"): "person",
    ("events", "type"): "invoice.paid",
    ("inbox", "source"): "portone",
    ("actions", "verb"): "plan.created",
}


def parts(web: Web, path: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """Every part of a list, by following `Link` as a client would."""
    answer = web.api.get(path, params=query)
    while True:
        assert answer.status_code == 200, answer.text
        body = answer.json()
        yield body["data"]
        assert ("next" in answer.links) == (body["next_cursor"] is not None)
        if body["next_cursor"] is None:
            return
        answer = web.api.get(answer.links["next"]["url"])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_a_list_is_read_to_its_end_each_row_once(web: Web, size: int) -> None:
    made = []
    for number in range(7):
        made.append(web.create("plans", **PLAN | {"name": f"Plan {number}"})["id"])
        if number % 3 == 0:
            web.clock.advance(seconds=1)  # some share their moment: their ids decide
    read = [plan["id"] for part in parts(web, "/v1/plans", limit=size) for plan in part]
    assert sorted(read) == sorted(made)
    assert len(read) == len(set(read))
    when = [plan["created_at"] for part in parts(web, "/v1/plans", limit=size) for plan in part]
    assert when == sorted(when, reverse=True)


def test_rows_that_are_added_meanwhile_move_no_later_part(web: Web) -> None:
    for number in range(6):
        web.create("plans", **PLAN | {"name": f"Plan {number}"})
        web.clock.advance(seconds=1)
    read = []
    for part in parts(web, "/v1/plans", limit=2):
        read += [plan["name"] for plan in part]
        web.create("plans", **PLAN | {"name": "Later"})
        web.clock.advance(seconds=1)
    assert read == [f"Plan {number}" for number in range(5, -1, -1)]


def test_a_filter_holds_for_every_part(web: Web) -> None:
    for number in range(5):
        web.create("plans", **PLAN | {"amount": 1000 + number})
        web.create("plans", **PLAN | {"currency": "USD", "amount": 1000 + number})
    found = [plan for part in parts(web, "/v1/plans", limit=2, currency="USD", amount_min=1002) for plan in part]
    assert sorted((plan["currency"], plan["amount"]) for plan in found) == [("USD", 1002), ("USD", 1003), ("USD", 1004)]


AT_A_TIME = {"stuck": "stuck_at", "due": "due_by", "expiring": "expiring_at"}
"""Filters that are asked for with yes, and looked for at the present moment."""


@pytest.mark.parametrize("name", LISTS)
def test_every_filter_that_is_described_is_understood(web: Web, name: str) -> None:
    kind, query = LISTS[name]
    filters = set(query.model_fields) - {"limit", "cursor"}
    with web.ports.database.transaction() as uow:
        known = set(uow.lists.filters(kind))
    assert {AT_A_TIME.get(each, each) for each in filters} == known
    for each in filters:
        later = each.endswith(("_after", "_before"))
        plain = "2026-01-01T00:00:00Z" if later else VALUES.get(each, "x1")
        value = WORDS.get((name, each), plain)
        assert web.api.get(f"/v1/{name}", params={each: value}).json()["data"] == [], each


def test_subscriptions_keys_invoices_and_payments_are_found_by_the_customer(web: Web) -> None:
    mine, invoice = web.invoiced()
    other = web.create("plans", **PLAN)
    key = web.create("billing-keys", customer_uid="user-2-card", pg_provider="nice_v2")
    web.create("subscriptions", plan_id=other["id"], billing_key_id=key["id"], customer="user-2")
    for path, ident in (
        ("subscriptions", mine["id"]),
        ("billing-keys", mine["billing_key_id"]),
        ("invoices", invoice),
    ):
        found = web.api.get(f"/v1/{path}", params={"customer": "user-1"}).json()["data"]
        assert [each["id"] for each in found] == [ident], path
    assert web.api.get("/v1/subscriptions", params={"plan_id": other["id"]}).json()["data"][0]["customer"] == "user-2"
    assert web.api.get("/v1/subscriptions", params={"created_before": mine["created_at"]}).json()["data"] == []
    assert len(web.api.get("/v1/subscriptions", params={"created_after": mine["created_at"]}).json()["data"]) == 2


@pytest.mark.parametrize("cursor", ["", "x", "!", "WyJwbGFucyJd", "WyJpbnZvaWNlcyIsIjEiXQ", "eyJhIjoxfQ", "x" * 501])
def test_a_cursor_that_no_answer_gave_is_refused(web: Web, cursor: str) -> None:
    assert_problem(web.api.get("/v1/plans", params={"cursor": cursor}), 422, "cursor")


def test_a_cursor_of_another_list_is_refused(web: Web) -> None:
    for number in range(2):
        web.subscribed(f"user-{number}-card")
    cursor = web.api.get("/v1/plans?limit=1").json()["next_cursor"]
    assert_problem(web.api.get("/v1/subscriptions", params={"cursor": cursor}), 422, "cursor")
    assert_problem(web.api.get("/v1/actions", params={"cursor": cursor}), 422, "cursor")
