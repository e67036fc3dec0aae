"""Refunds over HTTP: asked for once, however often the request comes; shown with the invoice and its attempts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from web_calls import TOKEN, asked_from, assert_problem
from web_helpers import Web

from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.payment import Approved, Cancellation, ChargeRequest, Declined, Outcome
from billing_worker.domain.payment import PaymentStatus as Paid
from billing_worker.domain.refund import Answered, RefundAnswer, RefundRequest
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.refund import refund as refunding
from tests.builders import EVIDENCE, a_payment
from tests.support.gateways import Around

PART = {"amount": 3000, "reason": "two days without service"}


def approve(request: ChargeRequest) -> Outcome:
    names = {"merchant_uid": request.merchant_uid, "customer_uid": request.customer_uid, "money": request.money}
    return Approved(a_payment(**names), EVIDENCE)


def decline(_: ChargeRequest) -> Outcome:
    return Declined(normalise("", "한도초과"), "한도초과", EVIDENCE, "imps_000000000009")


def paid(web: Web) -> str:
    _, invoice_id = web.invoiced()
    web.charge(invoice_id, approve)
    return invoice_id


def ask(web: Web, invoice_id: str, key: str = "click-1", **body: Any) -> httpx.Response:
    return web.api.post(f"/v1/invoices/{invoice_id}/refunds", json=body or PART, headers={"Idempotency-Key": key})


def gives_back(web: Web, invoice_id: str) -> Callable[[Gateway, RefundRequest], RefundAnswer]:
    (attempt,) = web.api.get(f"/v1/invoices/{invoice_id}").json()["attempts"]

    def cancel(_: Gateway, request: RefundRequest) -> RefundAnswer:
        given = replace(request.money, amount=9900 - request.balance.amount + request.money.amount)
        names = {"merchant_uid": attempt["merchant_uid"], "customer_uid": "user-1-card-1"}
        shown = a_payment(**names, status=Paid.CANCELLED, cancelled=given)
        return Answered(replace(shown, cancellations=(Cancellation(request.money, request.reason),)), EVIDENCE)

    return cancel


def test_a_part_is_asked_for_carried_out_and_shown(web: Web) -> None:
    invoice_id = paid(web)
    answer = ask(web, invoice_id)
    asked = answer.json()
    assert answer.status_code == 201
    assert (asked["status"], asked["amount"], asked["currency"], asked["cause"]) == (
        "pending",
        3000,
        "KRW",
        "requested",
    )
    assert (asked["reason"], asked["idempotency_key"], asked["send_count"]) == (PART["reason"], "click-1", 0)
    assert "fence" not in asked
    ports = replace(web.ports, gateway=Around(web.gateway, on_cancel=gives_back(web, invoice_id)))
    refunding.refund(ports, asked["id"])
    done = web.api.get(f"/v1/refunds/{asked['id']}").json()
    assert (done["status"], done["send_count"]) == ("succeeded", 1)
    assert done.pop("evidence")["source"] == EVIDENCE.source
    invoice = web.api.get(f"/v1/invoices/{invoice_id}").json()
    assert (invoice["status"], invoice["refunded"], invoice["refundable"]) == ("paid", 3000, 6900)
    assert invoice["refunds"] == [done]
    assert [attempt["refunded"] for attempt in invoice["attempts"]] == [3000]
    assert web.api.get("/v1/refunds", params={"invoice_id": invoice_id}).json()["data"] == [done]
    told = web.api.get(f"/v1/why/{asked['id']}").json()
    assert told["answer"].startswith("Given back")
    (month,) = web.api.get("/v1/report").json()["months"]
    assert (month["paid_amount"], month["refunded_amount"]) == (9900, 3000)


def test_everything_that_is_left_must_be_said(web: Web) -> None:
    invoice_id = paid(web)
    for body in (
        {"reason": "r"},
        {"reason": "r", "amount": 1, "everything": True},
        {"reason": "r", "everything": False},
    ):
        assert_problem(ask(web, invoice_id, f"click-{len(str(body))}", **body), 422, "amount")
    assert web.count("refunds") == 0
    whole = ask(web, invoice_id, everything=True, reason="r")
    assert (whole.status_code, whole.json()["amount"]) == (201, 9900)


def test_the_same_key_again_is_the_same_refund_and_another_amount_is_refused(web: Web) -> None:
    invoice_id = paid(web)
    first = ask(web, invoice_id)
    assert ask(web, invoice_id).json() == first.json()
    assert ask(web, invoice_id).headers["idempotency-replayed"] == "true"
    assert_problem(ask(web, invoice_id, amount=2999, reason="r"), 422, "Idempotency-Key")
    assert_problem(ask(web, invoice_id, everything=True, reason="r"), 422, "Idempotency-Key")
    assert "not finished yet" in assert_problem(ask(web, invoice_id, "click-2"), 409)
    assert web.count("refunds") == 1


@pytest.mark.fm("L10")
@pytest.mark.parametrize("same_key", [True, False])
def test_many_requests_at_once_make_one_refund(web: Web, same_key: bool) -> None:  # noqa: FBT001 - two cases
    invoice_id = paid(web)
    keys = ["click"] * 8 if same_key else [f"click-{number}" for number in range(8)]
    with ThreadPoolExecutor(len(keys)) as pool:
        answers = list(pool.map(lambda key: ask(web, invoice_id, key), keys))
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == web.count("refunds") == 1
    assert sorted({answer.status_code for answer in answers}) in ([[201], [201, 409]] if same_key else [[201, 409]])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "0": ({"amount": 0, "reason": "r"}, "amount"),
    "less than 0": ({"amount": -1, "reason": "r"}, "amount"),
    "more than was paid": ({"amount": 9901, "reason": "r"}, "amount"),
    "beyond all sense": ({"amount": 10**30, "reason": "r"}, "amount"),
    "a fraction": ({"amount": 0.5, "reason": "r"}, "amount"),
    "a text": ({"amount": "3000", "reason": "r"}, "amount"),
    "true": ({"amount": True, "reason": "r"}, "amount"),
    "everything as a text": ({"everything": "true", "reason": "r"}, "everything"),
    "no reason": ({"amount": 1}, "reason"),
    "an empty reason": ({"amount": 1, "reason": " "}, "reason"),
    "a long reason": ({"amount": 1, "reason": "x" * 101}, "reason"),
    "a reason over two lines": ({"amount": 1, "reason": "a\nb"}, "reason"),
    "another payment": ({"amount": 1, "reason": "r", "attempt_id": "att_other"}, "attempt_id"),
    "an unknown field": ({"amount": 1, "reason": "r", "all": True}, "all"),
}


def test_bad_input_is_one_clear_line_and_refunds_nothing(web: Web) -> None:
    invoice_id = paid(web)
    for case, (body, field) in WRONG.items():
        assert assert_problem(ask(web, invoice_id, case.replace(" ", "-"), **body), 422, field), case
    path = f"/v1/invoices/{invoice_id}/refunds"
    assert_problem(web.api.post(path, json=PART), 400, "Idempotency-Key")
    for key in ("", "a b", "x" * 256):
        assert_problem(ask(web, invoice_id, key), 400, "Idempotency-Key")
    assert_problem(web.api.post(path, content=b"{", headers={"Content-Type": "application/json"}), 400)
    assert_problem(web.api.post(path, headers={"Idempotency-Key": "k"}), 415)
    assert web.count("refunds") == 0


def test_what_is_not_there_or_not_paid(web: Web) -> None:
    _, unpaid = web.invoiced()
    web.charge(unpaid, decline)
    assert "no payment that could be given back" in assert_problem(ask(web, unpaid), 409)
    assert_problem(ask(web, "inv_unknown", "click-2"), 404)
    assert_problem(web.api.get("/v1/refunds/rfd_unknown"), 404)
    assert_problem(web.api.get("/v1/refunds/%00"), 422)
    assert web.api.get("/v1/refunds", params={"invoice_id": unpaid}).json()["data"] == []
    detail = web.api.get(f"/v1/invoices/{unpaid}").json()
    assert (detail["refunded"], detail["refundable"], detail["refunds"]) == (0, 0, [])


def test_only_the_holder_of_the_token_gives_money_back(web_with: Callable[..., Web]) -> None:
    web = web_with(api_token=TOKEN)
    path = "/v1/invoices/inv_1/refunds"
    del web.api.headers["authorization"]
    assert_problem(ask(web, "inv_1"), 401)
    assert_problem(web.api.get("/v1/refunds/rfd_1"), 401)
    assert asked_from(web.app, "203.0.113.9", "POST", path) == 401
    known = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k"}
    assert_problem(web.api.post(path, json=PART, headers=known), 404)


def test_the_description_tells_of_the_key_and_of_every_answer(web: Web) -> None:
    operation = web.api.get("/openapi.json").json()["paths"]["/v1/invoices/{invoice_id}/refunds"]["post"]
    (header,) = [one for one in operation["parameters"] if one["in"] == "header"]
    assert (header["name"], header["required"]) == ("Idempotency-Key", True)
    cancel = web.api.get("/openapi.json").json()["paths"]["/v1/subscriptions/{subscription_id}/cancel"]["post"]
    (optional,) = [one for one in cancel["parameters"] if one["in"] == "header"]
    assert (optional["name"], optional["required"]) == ("Idempotency-Key", False)
    assert set(operation["responses"]) >= {"201", "401", "404", "409", "422"}
    assert operation["security"] == [{"token": []}]
