"""What watchers and newcomers see: health, metrics, the documentation and the API's description."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import compile_path
from web_calls import DEADLINE, PLAN, assert_problem
from web_helpers import Web, running

from billing_worker import __version__
from billing_worker.domain.call_kind import CallKind
from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.latency import bucket_of
from billing_worker.domain.payment import Approved, ChargeRequest, Declined, Outcome, Unknown
from billing_worker.ports.hourly import Timed
from tests.builders import EVIDENCE, a_payment

METHODS = {"get", "post", "put", "delete", "patch"}


def test_the_process_says_that_it_lives_and_that_it_is_ready(web: Web) -> None:
    assert web.api.get("/healthz").json() == {"status": "alive", "version": __version__}
    assert web.api.get("/readyz").json() == {"status": "ready", "version": __version__}


def test_a_database_without_tables_is_not_ready_and_the_way_out_is_named(empty_database_url: str) -> None:
    with running(empty_database_url) as web:
        assert "billing-worker db upgrade" in assert_problem(web.api.get("/readyz"), 503)
        assert web.api.get("/healthz").status_code == 200
        # Requests meet a database error that is no outage: our own failure, without a word of SQL.
        answer = web.api.get("/v1/plans")
        assert_problem(answer, 500)
        assert "plans" not in answer.text


def test_the_metrics_say_what_the_report_says(web: Web) -> None:
    def approve(request: ChargeRequest) -> Outcome:
        names = {"merchant_uid": request.merchant_uid, "customer_uid": request.customer_uid, "money": request.money}
        return Approved(a_payment(**names), EVIDENCE)

    def decline(_: ChargeRequest) -> Outcome:
        return Declined(normalise("", "한도초과"), "한도초과", EVIDENCE, "imps_000000000009")

    outcomes: list[Callable[[ChargeRequest], Outcome]] = [approve, decline, lambda _: Unknown("lost", EVIDENCE)]
    for number, outcome in enumerate(outcomes):
        web.charge(web.invoiced(customer_uid=f"user-{number}")[1], outcome)
    names = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}
    web.invoiced(customer_uid="user-pw", pg_provider="paymentwall", **names)
    web.invoiced(customer_uid="user-due")
    web.clock.advance(seconds=90)
    web.api.post("/webhooks/portone", json={"imp_uid": "imp_1", "merchant_uid": "m", "status": "paid"})
    metrics = scraped(web)
    assert metrics["billing_invoices_due"] == 1
    assert metrics["billing_oldest_due_age_seconds"] == 90
    assert metrics["billing_attempts_in_flight"] == 0
    assert metrics["billing_attempts_unknown"] == 1
    assert metrics["billing_invoices_waiting_for_key"] == 1
    assert metrics["billing_invoices_in_dunning"] == 1
    assert metrics["billing_alerts_open"] == web.count("alerts")
    assert web.count("outbox") > 0
    assert metrics["billing_events_undelivered"] == 0, "no receiver waits for them"
    assert metrics["billing_notifications_unapplied"] == 1
    assert metrics["billing_invoices_paid_total{KRW}"] == 1
    assert metrics["billing_paid_minor_units_total{KRW}"] == 9900
    assert metrics["billing_invoices_uncollectible{KRW}"] == 0
    assert metrics[f"billing_worker_build_info{{{__version__}}}"] == 1


def test_outcomes_and_times_are_counted(web: Web) -> None:
    def approve(request: ChargeRequest) -> Outcome:
        web.clock.advance(seconds=3)
        names = {"merchant_uid": request.merchant_uid, "customer_uid": request.customer_uid, "money": request.money}
        return Approved(a_payment(**names), EVIDENCE)

    def decline(_: ChargeRequest) -> Outcome:
        return Declined(normalise("", "한도초과"), "한도초과", EVIDENCE, "imps_000000000009")

    for number, outcome in enumerate((approve, decline)):
        web.charge(web.invoiced(customer_uid=f"user-{number}")[1], outcome)
    metrics = scraped(web)
    assert metrics["billing_attempts_total{first/approved/nice_v2}"] == 1
    assert metrics["billing_attempts_total{first/declined/nice_v2}"] == 1
    assert metrics["billing_first_tries_declined_ratio{nice_v2/day}"] == 0.5
    call = "billing_gateway_call_seconds"
    buckets = [metrics[f"{call}_bucket{{{bound}/nice_v2}}"] for bound in ("0.1", "2.5", "5.0", "86400.0", "+Inf")]
    assert buckets == [1, 1, 2, 2, 2]
    assert (metrics[f"{call}_count{{nice_v2}}"], metrics[f"{call}_sum{{nice_v2}}"]) == (2, 3)
    assert metrics["billing_attempt_wait_seconds_count{nice_v2}"] == 2


def test_calls_that_are_no_charges_have_a_histogram_by_their_kind(web: Web) -> None:
    with web.ports.database.transaction() as uow:
        uow.books.hourly.add_calls([Timed(CallKind.REFUND, bucket_of(2_000), 3, 6_000), Timed(CallKind.READ, 0, 1, 50)])
        uow.commit()
    metrics, name = scraped(web), "billing_gateway_request_seconds"
    buckets = [metrics[f"{name}_bucket{{refund/{bound}}}"] for bound in ("1.0", "2.5", "+Inf")]
    assert (buckets, metrics[f"{name}_sum{{refund}}"]) == ([0, 3, 3], 6)
    assert metrics[f"{name}_count{{read}}"] == 1


def test_an_empty_installation_has_metrics_too(web: Web) -> None:
    metrics = scraped(web)
    assert (metrics["billing_invoices_due"], metrics["billing_oldest_due_age_seconds"]) == (0, 0)
    assert web.api.get("/metrics").headers["content-type"].startswith("text/plain; version=")


def test_the_root_leads_to_the_docs(web: Web) -> None:
    answer = web.api.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
    assert web.api.get("/", headers={"Host": "evil.example"}).headers["location"] == "/docs"


def test_the_docs_page_loads_everything_from_here_and_its_policy_allows_nothing_else(web: Web) -> None:
    page = web.api.get("/docs")
    assert page.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        assert link.startswith("/docs/")
        asset = web.api.get(link)
        assert asset.status_code == 200
        assert asset.content
    assert not re.search(r"<script[^>]*>[^<]", page.text), "the policy allows no script inside the page"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert "/openapi.json" in web.api.get("/docs/start.js").text


@pytest.mark.parametrize("name", ["swagger-ui.js.map", "..%2f__init__.py", "%2e%2e", "index.html", "x"])
def test_no_other_file_can_be_had_from_the_docs_folder(web: Web, name: str) -> None:
    assert_problem(web.api.get(f"/docs/{name}"), 404)


def test_the_description_is_complete_and_holds_together(web: Web) -> None:
    description = web.api.get("/openapi.json").json()
    assert description["openapi"].startswith("3.1.")
    schemas = description["components"]["schemas"]
    for reference in found(description, "$ref"):
        assert reference.removeprefix("#/components/schemas/") in schemas
    identifiers = [operation["operationId"] for _, _, operation in operations(description)]
    assert len(identifiers) == len(set(identifiers)) == 71
    problem = {"$ref": "#/components/schemas/Problem"}
    for path, method, operation in operations(description):
        assert operation["summary"]
        assert operation["description"], (path, method)
        statuses = set(operation["responses"])
        assert "500" in statuses
        for status in statuses - {"200", "201", "202"}:
            assert operation["responses"][status]["content"]["application/problem+json"]["schema"] == problem
        if path.startswith("/v1/") or path == "/metrics":
            assert {"401", "403", "503"} <= statuses
            assert operation["security"] == [{"token": []}]
            assert operation["x-scope"] in ("read", "write", "money")
        else:
            assert "security" not in operation
        assert "Request-Id" in operation["responses"][min(statuses)]["headers"]
        if path.startswith("/v1/") and method != "get" and operation["x-scope"] != "read":
            assert "Idempotency-Key" in [each["name"] for each in operation["parameters"]]
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= statuses


def test_what_the_docs_page_offers_to_send_works(web: Web) -> None:
    schemas = web.app.openapi()["components"]["schemas"]
    plan = web.create("plans", **schemas["PlanInput"]["example"])
    key = web.create("billing-keys", **schemas["KeyInput"]["example"])
    wanted = schemas["SubscriptionInput"]["example"] | {"plan_id": plan["id"], "billing_key_id": key["id"]}
    assert web.create("subscriptions", **wanted)["status"] == "pending"


def test_every_address_of_the_contract_is_described(web: Web) -> None:
    described = {(method.upper(), path) for path, method, _ in operations(web.app.openapi())}
    assert described == {
        ("POST", "/webhooks/portone"),
        ("POST", "/iamport-callback/schedule"),
        ("GET", "/webhooks/paymentwall"),
        ("POST", "/v1/dunning-policies"),
        ("GET", "/v1/dunning-policies"),
        ("GET", "/v1/dunning-policies/{name}"),
        ("POST", "/v1/plans"),
        ("POST", "/v1/payments"),
        ("GET", "/v1/payments"),
        ("POST", "/v1/payments/by-card"),
        ("GET", "/v1/payments/{payment_id}"),
        ("POST", "/v1/payments/{payment_id}/cancel"),
        ("GET", "/v1/plans"),
        ("GET", "/v1/plans/{plan_id}"),
        ("PATCH", "/v1/plans/{plan_id}"),
        ("POST", "/v1/billing-keys"),
        ("GET", "/v1/billing-keys"),
        ("GET", "/v1/billing-keys/{billing_key_id}"),
        ("PATCH", "/v1/billing-keys/{billing_key_id}"),
        ("DELETE", "/v1/billing-keys/{billing_key_id}"),
        ("POST", "/v1/billing-keys/issue"),
        ("POST", "/v1/billing-keys/{billing_key_id}/issuing-payment"),
        ("POST", "/v1/card-sessions"),
        ("GET", "/v1/card-sessions/{card_session_id}"),
        ("POST", "/v1/subscriptions"),
        ("GET", "/v1/subscriptions"),
        ("GET", "/v1/subscriptions/{subscription_id}"),
        ("PATCH", "/v1/subscriptions/{subscription_id}"),
        ("GET", "/v1/customers/{customer}"),
        ("DELETE", "/v1/customers/{customer}"),
        ("POST", "/v1/subscriptions/{subscription_id}/cancel"),
        ("PUT", "/v1/subscriptions/{subscription_id}/billing-key"),
        ("GET", "/v1/invoices"),
        ("GET", "/v1/invoices/{invoice_id}"),
        ("POST", "/v1/invoices/{invoice_id}/retry"),
        ("POST", "/v1/invoices/{invoice_id}/refunds"),
        ("GET", "/v1/attempts"),
        ("GET", "/v1/refunds"),
        ("GET", "/v1/refunds/{refund_id}"),
        ("GET", "/v1/events"),
        ("GET", "/v1/events/{event_id}"),
        ("POST", "/v1/events/{event_id}/replay"),
        ("GET", "/v1/events/endpoint"),
        ("POST", "/v1/events/endpoint/enable"),
        ("GET", "/v1/inbox"),
        ("GET", "/v1/inbox/{message_id}"),
        ("POST", "/v1/inbox/{message_id}/replay"),
        ("GET", "/v1/declines/explain"),
        ("GET", "/v1/declines/unknown"),
        ("POST", "/v1/recovery"),
        ("GET", "/v1/subscriptions/{subscription_id}/fallback-keys"),
        ("POST", "/v1/subscriptions/{subscription_id}/fallback-keys"),
        ("DELETE", "/v1/subscriptions/{subscription_id}/fallback-keys/{billing_key_id}"),
        ("GET", "/v1/notices"),
        ("GET", "/v1/pgs"),
        ("GET", "/v1/pgs/{code}"),
        ("GET", "/v1/schedules"),
        ("GET", "/v1/schedules/{schedule_id}"),
        ("GET", "/v1/shadow-charges"),
        ("GET", "/v1/stops"),
        ("POST", "/v1/stops"),
        ("POST", "/v1/stops/{stop_id}/clear"),
        ("GET", "/v1/why/{id}"),
        ("GET", "/v1/report"),
        ("GET", "/v1/alerts"),
        ("GET", "/v1/alerts/{alert_id}"),
        ("POST", "/v1/alerts/{alert_id}/close"),
        ("GET", "/v1/actions"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
    }


def test_an_unknown_address_and_method_are_answered_in_the_one_shape(web: Web) -> None:
    for path in ("/nothing", "/v1/nothing", "/v1/plans/", "/webhooks", "//v1/plans", "/docs/a/b"):
        assert_problem(web.api.get(path), 404)
    answer = web.api.delete("/v1/plans")
    assert_problem(answer, 405)
    assert answer.headers["allow"]


def test_every_answer_has_the_security_headers_and_money_is_never_cached(web: Web) -> None:
    for path in ("/healthz", "/v1/plans", "/v1/nothing", "/docs", "/webhooks/paymentwall", "/", "/openapi.json"):
        headers = web.api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers
    assert web.api.post("/v1/plans", json=PLAN).headers["cache-control"] == "no-store"
    assert "max-age" in web.api.get("/docs/swagger-ui.css", timeout=DEADLINE).headers["cache-control"]


def scraped(web: Web) -> dict[str, float]:
    text = web.api.get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {name + (f"{{{'/'.join(labels.values())}}}" if labels else ""): value for name, labels, value, *_ in samples}


def test_an_address_of_its_own_is_never_taken_for_an_identifier(web: Web) -> None:
    paths = web.api.get("/openapi.json").json()["paths"]
    tried = []
    for address in (path for path in paths if "{" not in path):
        for path in paths:
            if "{" in path and compile_path(path)[0].match(address):
                tried += [(method.upper(), address) for method in set(paths[path]) - set(paths[address])]
    for method, address in tried:
        answer = web.api.request(method, address)
        assert_problem(answer, 405)
        assert answer.headers["Allow"] == ", ".join(sorted(each.upper() for each in paths[address]))
    assert {("GET", "/v1/payments/by-card"), ("DELETE", "/v1/billing-keys/issue")} <= set(tried)


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        assert set(methods) <= METHODS
        for method, operation in methods.items():
            yield path, method, operation


def nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def found(description: Any, key: str) -> Iterator[str]:
    return (str(node[key]) for node in nodes(description) if isinstance(node, dict) and key in node)
