"""Plans and billing keys over HTTP: what is right is stored, what is wrong is named, and then nothing is."""

import json
from typing import Any

import pytest
import structlog
from web_calls import PLAN, assert_problem, eventually
from web_helpers import Web

from billing_worker.domain.alerts import AlertKind
from billing_worker.usecases.key.confirm import confirm

KEY = {"customer_uid": "user-1-card-1", "pg_provider": "nice_v2"}


def test_a_plan_is_created_shown_and_listed(web: Web) -> None:
    plan = web.create("plans", **PLAN)
    assert {name: plan[name] for name in PLAN} == PLAN
    assert (plan["interval_count"], plan["cron"], plan["timezone"]) == (1, None, "Asia/Seoul")
    assert plan["dunning_policy"] == "default"
    assert web.api.get(f"/v1/plans/{plan['id']}").json() == plan
    assert web.api.get("/v1/plans").json() == {"data": [plan], "next_cursor": None}


def test_a_plan_may_have_a_cron_calendar_a_zone_and_its_own_dunning(web: Web) -> None:
    wanted = {"cron": "0 9 L * *", "timezone": "Europe/Berlin"}
    plan = web.create("plans", name="프로", amount=1999, currency="USD", dunning_days=[2, 4], **wanted)
    assert plan["dunning_policy"] == "days-2-4"
    assert {name: plan[name] for name in wanted} == wanted
    assert (plan["interval"], plan["interval_count"], plan["name"]) == (None, None, "프로")
    assert web.api.get(f"/v1/plans/{plan['id']}").json() == plan


def test_a_plan_says_what_becomes_of_late_periods(web: Web) -> None:
    plan = web.create("plans", **PLAN)
    assert (plan["catch_up"], plan["catch_up_max_age"]) == ("bill_all", 90)
    wanted = {"catch_up": "ask", "catch_up_max_age": 30}
    plan = web.create("plans", **PLAN, **wanted)
    assert {name: plan[name] for name in wanted} == wanted
    assert web.api.get(f"/v1/plans/{plan['id']}").json() == plan


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"catch_up": "never"}, "catch_up"),
        ({"catch_up_max_age": 0}, "catch_up_max_age"),
        ({"amount": 9900.5}, "amount"),
        ({"amount": 9900.0}, "amount"),
        ({"amount": "9900"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": [9900]}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 10**30}, "amount"),
        ({"currency": "WON"}, "currency"),
        ({"currency": "krw"}, "currency"),
        ({"currency": 410}, "currency"),
        ({"name": ""}, "name"),
        ({"name": "x" * 41}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"interval": "fortnight"}, "interval"),
        ({"interval": None}, "interval"),
        ({"interval_count": 0}, "interval_count"),
        ({"interval_count": 1.5}, "interval_count"),
        ({"interval_count": 10**20}, "interval_count"),
        ({"cron": "0 9 1 * *"}, "cron"),
        ({"interval": None, "cron": "0 9 31 * *"}, "cron"),
        ({"interval": None, "cron": "0 9 * *"}, "cron"),
        ({"interval": None, "cron": "soon please no no no"}, "cron"),
        ({"interval": None, "cron": "0 9 1 * *", "interval_count": 2}, "interval_count"),
        ({"timezone": "Asia/Pyeongchang"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "a\x00"}, "timezone"),
        ({"dunning_days": [0]}, "dunning_days"),
        ({"dunning_days": [1] * 16}, "dunning_days"),
        ({"dunning_days": ["1"]}, "dunning_days.0"),
        ({"dunning_days": 3}, "dunning_days"),
        ({"price": 1}, "price"),
    ],
    ids=str,
)
def test_a_wrong_plan_is_refused_with_the_field_and_nothing_is_stored(
    web: Web, change: dict[str, Any], field: str
) -> None:
    assert_problem(web.api.post("/v1/plans", json=PLAN | change), 422, field)
    assert web.count("plans") == 0


def test_a_cron_expression_that_would_skip_months_is_answered_with_the_alternative(web: Web) -> None:
    wanted = {"name": "Basic", "amount": 9900, "currency": "KRW", "cron": "0 9 31 * *"}
    message = assert_problem(web.api.post("/v1/plans", json=wanted), 422, "cron")
    assert "'0 9 L * *'" in message


@pytest.mark.parametrize("field", ["name", "amount", "currency"])
def test_a_missing_field_is_named(web: Web, field: str) -> None:
    body = {name: value for name, value in PLAN.items() if name != field}
    assert assert_problem(web.api.post("/v1/plans", json=body), 422, field) == "is missing"


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"null", b'"x"'])
def test_a_body_that_is_no_object_is_refused(web: Web, body: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    assert_problem(web.api.post("/v1/plans", content=body, headers=kind), 422, "body")
    assert web.count("plans") == 0


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[" * 8000, b'{"amount":' + b"9" * 6000 + b"}"], ids=["cut", "bytes", "deep", "huge"]
)
def test_a_body_that_is_no_json_is_refused(web: Web, body: bytes) -> None:
    assert_problem(web.api.post("/v1/plans", content=body, headers={"Content-Type": "application/json"}), 400)


def test_a_half_character_is_refused(web: Web) -> None:
    body = json.dumps(PLAN).replace("Basic", "\\ud800").encode()
    answer = web.api.post("/v1/plans", content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, 422, "name")
    body = json.dumps(PLAN).replace("name", "\\ud800").encode()
    answer = web.api.post("/v1/plans", content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, 422)
    assert web.count("plans") == 0


def test_a_field_with_an_endless_name_is_answered_shortly(web: Web) -> None:
    answer = web.api.post("/v1/plans", json=PLAN | {"x" * 5000: 1})
    assert_problem(answer, 422, "x" * 80)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_of_another_content_type_is_refused_as_a_form_of_another_site_would_be(web: Web, kind: str) -> None:
    body = json.dumps(PLAN).encode()
    assert_problem(web.api.post("/v1/plans", content=body, headers={"Content-Type": kind}), 415)
    assert_problem(web.api.post("/v1/plans", content=body), 415)
    assert web.count("plans") == 0


def test_a_body_over_eight_kibibytes_is_refused(web: Web) -> None:
    assert_problem(web.api.post("/v1/plans", json=PLAN | {"name": "x" * 9000}), 413)


@pytest.mark.parametrize("field", ["card_number", "cardNumber", "pan", "cvc", "CVV", "expiry", "pwd_2digit", "card"])
@pytest.mark.parametrize("path", ["/v1/plans", "/v1/billing-keys", "/v1/subscriptions"])
def test_card_data_is_refused_and_told_so_and_nothing_of_it_is_kept_or_logged(web: Web, path: str, field: str) -> None:
    secret = "4242424242424242"
    with structlog.testing.capture_logs() as lines:
        answer = web.api.post(path, json=KEY | {field: secret})
    message = assert_problem(answer, 422, field)
    assert "must never be sent here" in message
    assert secret not in answer.text
    assert secret not in str(lines)
    assert web.count("billing_keys") == 0


def test_a_customer_uid_that_is_a_card_number_is_refused_and_not_repeated(web: Web) -> None:
    answer = web.api.post("/v1/billing-keys", json=KEY | {"customer_uid": "4242-4242-4242-4242"})
    assert "card number" in assert_problem(answer, 422, "customer_uid")
    assert "4242-" not in answer.text
    assert web.count("billing_keys") == 0


def test_a_key_is_registered_and_may_be_charged_when_portone_has_shown_it(web: Web) -> None:
    key = web.create("billing-keys", **KEY, buyer_name="홍길동", buyer_tel="010-1234-5678")
    assert (key["status"], key["customer_uid"], key["buyer_name"]) == ("pending", KEY["customer_uid"], "홍길동")
    assert web.api.get(f"/v1/billing-keys/{key['id']}").json() == key
    eventually(lambda: ("confirm", key["id"]) in web.doorbell.rings)
    assert confirm(web.ports, key["id"])
    assert web.api.get(f"/v1/billing-keys/{key['id']}").json()["status"] == "active"


def test_lists_show_of_a_customer_uid_only_its_ends_and_nothing_of_the_buyer(web: Web) -> None:
    web.create("billing-keys", **KEY, buyer_name="Gildong", buyer_email="gildong@example.com")
    web.create("billing-keys", customer_uid="short", pg_provider="nice_v2")
    answer = web.api.get("/v1/billing-keys")
    assert {key["customer_uid"] for key in answer.json()["data"]} == {"user…-1", "…"}
    for hidden in (KEY["customer_uid"], "Gildong", "gildong@example.com", "short"):
        assert hidden not in answer.text


def test_a_paymentwall_key_waits_for_its_confirmation(web: Web) -> None:
    names = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}
    key = web.create("billing-keys", **KEY | {"pg_provider": "paymentwall"}, **names)
    assert (key["status"], key["activated_at"]) == ("pending", None)


def test_the_same_customer_uid_twice_is_a_conflict(web: Web) -> None:
    web.create("billing-keys", **KEY)
    assert_problem(web.api.post("/v1/billing-keys", json=KEY), 409, "customer_uid")
    assert web.count("billing_keys") == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customer_uid": "x" * 81}, "customer_uid"),
        ({"customer_uid": ""}, "customer_uid"),
        ({"customer_uid": "a b"}, "customer_uid"),
        ({"customer_uid": "카드"}, "customer_uid"),
        ({"customer_uid": 7}, "customer_uid"),
        ({"pg_provider": "Nice"}, "pg_provider"),
        ({"pg_provider": ""}, "pg_provider"),
        ({"buyer_email": "nobody"}, "buyer_email"),
        ({"buyer_name": "x" * 17}, "buyer_name"),
        ({"buyer_tel": "\x00"}, "buyer_tel"),
        ({"pg_provider": "paymentwall"}, "buyer_name"),
        ({"pg_provider": "paymentwall", "buyer_email": "a@b.c", "buyer_name": "One"}, "buyer_name"),
        ({"status": "active"}, "status"),
    ],
    ids=str,
)
def test_a_wrong_key_is_refused_with_the_field_and_nothing_is_stored(
    web: Web, change: dict[str, Any], field: str
) -> None:
    assert_problem(web.api.post("/v1/billing-keys", json=KEY | change), 422, field)
    assert web.count("billing_keys") == 0


@pytest.mark.parametrize("path", ["plans", "billing-keys", "subscriptions", "invoices"])
def test_an_unknown_id_is_not_found_and_a_senseless_one_is_wrong(web: Web, path: str) -> None:
    assert_problem(web.api.get(f"/v1/{path}/nobody_0123456789abcdef"), 404)
    for senseless in ("%00", "a%20b", "%ED%99%8D", "x" * 65, "'--"):
        assert_problem(web.api.get(f"/v1/{path}/{senseless}"), 422)


@pytest.mark.parametrize("path", ["plans", "billing-keys", "subscriptions", "invoices", "alerts"])
def test_a_list_takes_a_limit_and_says_whether_there_is_more(web: Web, path: str) -> None:
    for number in range(3):
        subscription = web.subscribed(f"user-{number}")
        with web.ports.database.transaction() as uow:
            uow.alerts.open(AlertKind.MISMATCH, subscription["id"], {"reason": "look"}, web.clock.moment())
            uow.commit()
        web.open_invoice(subscription)
    for limit, more in ((2, True), (3, False)):
        answer = web.api.get(f"/v1/{path}", params={"limit": limit}).json()
        assert (len(answer["data"]), answer["next_cursor"] is not None) == (limit, more)
    for wrong in ("0", "-1", "501", "x", "1.5"):
        assert_problem(web.api.get(f"/v1/{path}?limit={wrong}"), 422, "limit")
    assert_problem(web.api.get(f"/v1/{path}?limt=2"), 422, "limt")
