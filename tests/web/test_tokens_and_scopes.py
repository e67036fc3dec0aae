"""Tokens have a name and a scope; what is done with one is kept under its name."""

import secrets
from typing import Any

import httpx
import pytest
from web_calls import PLAN, assert_problem, eventually
from web_helpers import Web

from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.usecases.access.tokens import create_token, digest_of, revoke_token, tokens

ADDRESSES = {
    "read": ("GET", "/v1/plans", None),
    "write": ("POST", "/v1/plans", PLAN),
    "money": ("POST", "/v1/stops", {"scope": "all", "reason": "r"}),
}
ORDER = ["read", "write", "money"]


def given(web: Web, name: str, scope: str) -> str:
    return create_token(web.ports, name, scope, secrets.token_urlsafe(32)).text


def ask(web: Web, token: str, needs: str) -> httpx.Response:
    method, path, body = ADDRESSES[needs]
    return web.api.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("scope", ORDER)
@pytest.mark.parametrize("needs", ORDER)
def test_a_scope_covers_itself_and_those_before_it(web: Web, scope: str, needs: str) -> None:
    answer = ask(web, given(web, "shop", scope), needs)
    if ORDER.index(scope) >= ORDER.index(needs):
        assert answer.status_code in (200, 201)
    else:
        assert f"has the scope {scope}; this needs {needs}" in assert_problem(answer, 403)
        assert f'scope="{needs}"' in answer.headers["www-authenticate"]


def test_what_moves_money_needs_the_scope_money(web: Web) -> None:
    needed = {
        f"{method.upper()} {path}"
        for path, operations in web.app.openapi()["paths"].items()
        for method, operation in operations.items()
        if operation.get("x-scope") == "money"
    }
    assert needed == {
        "POST /v1/payments",
        "POST /v1/payments/by-card",
        "POST /v1/invoices/{invoice_id}/refunds",
        "POST /v1/invoices/{invoice_id}/retry",
        "POST /v1/billing-keys/{billing_key_id}/issuing-payment",
        "POST /v1/stops",
        "POST /v1/stops/{stop_id}/clear",
    }


def test_a_kept_answer_is_not_read_with_a_scope_that_does_not_cover_the_request(web: Web) -> None:
    reader, path, key = given(web, "reader", "read"), "/v1/plans", {"Idempotency-Key": "k"}
    assert web.api.post(path, json=PLAN, headers=key).status_code == 201
    assert_problem(web.api.post(path, json=PLAN, headers=key | {"Authorization": f"Bearer {reader}"}), 403)


def test_a_revoked_token_is_let_in_for_seconds_at_most(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    text = given(web, "shop", "read")
    assert ask(web, text, "read").status_code == 200
    revoke_token(web.ports, "shop")
    monkeypatch.setattr("billing_worker.web.security.REMEMBERED_FOR", 0.0)
    assert_problem(ask(web, text, "read"), 401)
    with pytest.raises(Conflict, match="already revoked"):
        revoke_token(web.ports, "shop")


def test_a_name_may_be_given_out_again_once_the_old_token_is_revoked(web: Web) -> None:
    old = given(web, "shop", "read")
    with pytest.raises(Conflict, match="already exists"):
        given(web, "shop", "money")
    revoke_token(web.ports, "shop")
    new = given(web, "shop", "read")
    assert_problem(ask(web, old, "read"), 401)
    assert ask(web, new, "read").status_code == 200
    assert [each.revoked_at is None for each in tokens(web.ports)].count(True) == 1


@pytest.mark.parametrize("name", ["", "Shop", "a b", "x" * 41, "setting", "file", "가게", "-a"])
def test_a_name_that_is_none_is_refused(web: Web, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"^name: "):
        given(web, name, "read")


def test_a_scope_that_is_none_is_refused_and_no_token_is_revoked_by_a_slip(web: Web) -> None:
    with pytest.raises(InvalidInput, match=r"^scope: must be one of read, write, money"):
        given(web, "shop", "admin")
    with pytest.raises(NotFound):
        revoke_token(web.ports, "shop")


def test_the_database_holds_a_digest_and_never_the_token(web: Web) -> None:
    text = given(web, "shop", "write")
    (row,) = web.rows("SELECT * FROM api_tokens")
    assert row["digest"] == digest_of(text)
    assert text not in str(row)
    assert text not in str(web.rows("SELECT * FROM actions"))


def test_what_is_done_is_kept_under_the_name_of_the_token(web: Web) -> None:
    given(web, "shop", "money")
    text = given(web, "desk", "money")
    headers = {"Authorization": f"Bearer {text}"}
    plan = web.api.post("/v1/plans", json=PLAN, headers=headers).json()
    (kept,) = web.api.get("/v1/actions", params={"subject_id": plan["id"]}).json()["data"]
    assert (kept["actor"], kept["verb"]) == ("token:desk", "plan.created")
    other = web.create("plans", **PLAN)
    (kept,) = web.api.get("/v1/actions", params={"subject_id": other["id"]}).json()["data"]
    assert kept["actor"] == "token:setting"


def test_made_up_tokens_of_the_right_form_are_refused(web: Web) -> None:
    for _ in range(20):
        assert_problem(ask(web, "bwt_" + secrets.token_urlsafe(32), "read"), 401)
    text = given(web, "shop", "read")
    eventually(lambda: ask(web, text, "read").status_code == 200)


def test_each_change_names_who_made_it(web: Web) -> None:
    subscription, invoice_id = web.invoiced()
    stop = web.create("stops", scope="pg:x", reason="r")
    changes: list[tuple[str, str, dict[str, Any] | None, str, str]] = [
        ("POST", f"/v1/stops/{stop['id']}/clear", {"note": "n"}, f"stop:{stop['id']}", "stop.cleared"),
        ("POST", f"/v1/invoices/{invoice_id}/retry", None, invoice_id, "invoice.retried"),
        ("PATCH", f"/v1/plans/{subscription['plan_id']}", {"catch_up": "ask"}, subscription["plan_id"], "plan.changed"),
        (
            "PATCH",
            f"/v1/billing-keys/{subscription['billing_key_id']}",
            {"buyer_email": "a@example.com"},
            subscription["billing_key_id"],
            "key.changed",
        ),
        (
            "PUT",
            f"/v1/subscriptions/{subscription['id']}/billing-key",
            {"billing_key_id": subscription["billing_key_id"]},
            subscription["id"],
            "subscription.key_replaced",
        ),
        (
            "POST",
            f"/v1/subscriptions/{subscription['id']}/cancel",
            {"at_period_end": True},
            subscription["id"],
            "subscription.cancel_scheduled",
        ),
        ("POST", f"/v1/subscriptions/{subscription['id']}/cancel", {}, subscription["id"], "subscription.canceled"),
    ]
    for method, path, body, subject, verb in changes:
        assert web.api.request(method, path, json=body).status_code == 200, path
        newest = web.api.get("/v1/actions", params={"subject_id": subject}).json()["data"][0]
        assert (newest["actor"], newest["verb"]) == ("token:setting", verb)
    told = web.api.get(f"/v1/why/{subscription['id']}").json()["actions"]
    assert [line.split()[3] for line in told] == ["token:setting:"] * 5
    assert any("subscription.canceled" in line for line in told)
