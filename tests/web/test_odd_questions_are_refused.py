"""Deliberately odd questions: odd cursors, odd addresses, odd names. None is a failure of ours."""

import base64
import json
import re
from collections.abc import Mapping, Sequence

import pytest
from web_calls import PLAN, TOKEN, assert_problem, first_words
from web_helpers import Web

from billing_worker.ports.lists import Kind

LISTS: Mapping[Kind, str] = {
    Kind.DUNNING_POLICIES: "/v1/dunning-policies",
    Kind.PLANS: "/v1/plans",
    Kind.BILLING_KEYS: "/v1/billing-keys",
    Kind.SUBSCRIPTIONS: "/v1/subscriptions",
    Kind.INVOICES: "/v1/invoices",
    Kind.PAYMENTS: "/v1/payments",
    Kind.ATTEMPTS: "/v1/attempts",
    Kind.REFUNDS: "/v1/refunds",
    Kind.SCHEDULES: "/v1/schedules",
    Kind.SHADOW: "/v1/shadow-charges",
    Kind.STOPS: "/v1/stops",
    Kind.ALERTS: "/v1/alerts",
    Kind.EVENTS: "/v1/events",
    Kind.NOTIFICATIONS: "/v1/inbox",
    Kind.NOTICES: "/v1/notices",
    Kind.ACTIONS: "/v1/actions",
}
TIMES = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00", "yesterday", "")
TEXTS = ("x", "\0", "\ud800", "'", "x" * 250, "한")
NUMBERS = ("9" * 250, "9" * 19, "-" + "9" * 19, str(2**63), "-1", "1.5", "1e5", "NaN", "")
POSITIONS: Sequence[Sequence[object]] = (
    *((time, text) for time in TIMES for text in TEXTS),
    *((number,) for number in NUMBERS),
    *((number, "x") for number in NUMBERS),
    (),
    ("1", "2", "3"),
    (1,),
    (None,),
)


def cursor(kind: Kind, position: Sequence[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps([kind.value, *position]).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("kind", Kind)
def test_an_invented_cursor_is_none_of_ours(web: Web, kind: Kind) -> None:
    for position in POSITIONS:
        answer = web.api.get(LISTS[kind], params={"cursor": cursor(kind, position)})
        assert answer.status_code in (200, 422), (position, answer.text)
        if answer.status_code == 422:
            assert_problem(answer, 422, "cursor")


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**30])
def test_a_running_number_that_no_row_can_have_is_refused(web: Web, number: int) -> None:
    for kind in (Kind.STOPS, Kind.ALERTS, Kind.EVENTS, Kind.NOTIFICATIONS, Kind.ACTIONS):
        assert_problem(web.api.get(LISTS[kind], params={"cursor": cursor(kind, (str(number),))}), 422, "cursor")


def test_an_id_that_no_row_can_have_names_nothing(web: Web) -> None:
    web.subscribed()
    for odd in ("%00", "a%00b", "user-1%00"):
        assert_problem(web.api.get(f"/v1/customers/{odd}"), 404)
        assert_problem(web.api.get(f"/v1/why/{odd}"), 422, "id")
    for odd in ("..", "%2e%2e", "a%2Fb", "%F0%9F%99%82", "%E2%80%AE", "%20", "a;b", "x" * 120, "%ED%A0%80"):
        assert_problem(web.api.get(f"/v1/customers/{odd}"), 404)
        assert_problem(web.api.get(f"/v1/why/{odd}"))


def test_no_other_spelling_of_an_address_goes_around_the_guard(web: Web) -> None:
    spellings = ("{}%0A", "{}%0a?x=1", "/{}", "{}/", "/.{}", "{}%00", "{};x", "{}#x", "http://elsewhere{}%0A")
    guarded = [path for path, operations in web.app.openapi()["paths"].items() if "security" in str(operations)]
    assert {"/metrics", "/v1/plans"} <= set(guarded)
    for path in guarded:
        for spelling in spellings:
            target = spelling.format(re.sub(r"\{\w+\}", "1", path))
            request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            status = int(first_words(web.url, request.encode()).split()[1])
            assert status in (400, 401, 404), (target, status)


def test_a_number_of_a_scope_is_asked_for_under_every_spelling(web: Web) -> None:
    for target in ("/v1/stops%0A", "/v1/%73tops", "/v1%2Fstops"):
        request = f"POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}x\r\nContent-Length: 0\r\n\r\n"
        assert first_words(web.url, request.encode()).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "metadata",
    [{"caf\u00e9": "a", "cafe\u0301": "b"}, {" a": "1", "a": "2"}, {"a": "1", "a\u00a0": "2"}],
    ids=["accents", "a space", "another space"],
)
def test_two_names_that_are_one_are_refused_rather_than_one_value_lost(web: Web, metadata: dict[str, str]) -> None:
    assert_problem(web.api.post("/v1/plans", json=PLAN | {"metadata": metadata}), 422, "metadata")
    assert web.count("plans") == 0
    plan = web.create("plans", **PLAN, metadata={"a": "0"})
    for changes in (metadata, metadata | dict.fromkeys(list(metadata)[:1])):
        assert_problem(web.api.patch(f"/v1/plans/{plan['id']}", json={"metadata": changes}), 422, "metadata")
    assert web.api.get(f"/v1/plans/{plan['id']}").json()["metadata"] == {"a": "0"}


def test_a_change_beyond_twenty_pairs_is_refused_and_one_that_stays_within_is_not(web: Web) -> None:
    full = {str(number): "x" for number in range(20)}
    subscription = web.subscribed()
    for path in (
        f"/v1/plans/{subscription['plan_id']}",
        f"/v1/billing-keys/{subscription['billing_key_id']}",
        f"/v1/subscriptions/{subscription['id']}",
    ):
        assert web.api.patch(path, json={"metadata": full}).json()["metadata"] == full
        assert_problem(web.api.patch(path, json={"metadata": {"one more": "x"}}), 422, "metadata")
        swapped = web.api.patch(path, json={"metadata": {"one more": "x", "0": None}}).json()["metadata"]
        assert len(swapped) == 20
        assert "0" not in swapped


@pytest.mark.parametrize("host", ["[", "[::1", "x/evil?", "a b", "\u00e9", ""])
def test_whatever_host_is_claimed_the_next_part_is_here(web: Web, host: str) -> None:
    for _ in range(2):
        web.create("plans", **PLAN)
    lines = ("GET /v1/plans?limit=1 HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {TOKEN}", "Connection: close")
    answer = first_words(web.url, "\r\n".join((*lines, "", "")).encode("latin-1")).lower()
    assert answer.startswith((b"http/1.1 200 ", b"http/1.1 400 ")), answer
    if b" 200 " in answer:
        assert b"link: </v1/plans?limit=1&" in answer
