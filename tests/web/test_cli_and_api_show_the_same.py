"""One list of fields a thing: what the API answers is what the command line prints as JSON."""

import ast
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from web_calls import HINT
from web_helpers import Web

from billing_worker.cli.main import main
from billing_worker.cli.output import Output
from billing_worker.domain.payment import Approved, ChargeRequest, Outcome
from billing_worker.usecases.reading.views import (
    card_sessions,
    control,
    customers,
    declines,
    dunning,
    fallbacks,
    insight,
    invoices,
    keys,
    payments,
    pgs,
    plans,
    recovery,
    refunds,
    schedules,
    shadow,
    traffic,
)
from billing_worker.usecases.reading.views import evidence as gateway
from billing_worker.usecases.reading.views import subscriptions as subscribed
from billing_worker.usecases.reading.views.fields import described, masked
from billing_worker.web.openapi import new_app
from tests.builders import EVIDENCE, a_payment

Say = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
PAGE = {"data", "next_cursor"}


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command line points the log at its own standard error, which is gone after the test."""
    yield
    structlog.reset_defaults()


def approve(request: ChargeRequest) -> Outcome:
    names = {"merchant_uid": request.merchant_uid, "customer_uid": request.customer_uid, "money": request.money}
    return Approved(a_payment(**names), EVIDENCE)


@pytest.fixture
def say(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command line on the application's database, and read its JSON."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BILLING_")]:
        monkeypatch.delenv(name)
    url = web.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("BILLING_DATABASE_URL", url)

    def run(*words: str) -> Any:
        capsys.readouterr()
        status = main([*words, "--json"])
        said = capsys.readouterr()
        assert status == 0, said.err
        return json.loads(said.out)

    return run


@pytest.fixture
def invoice_id(web: Web) -> str:
    """A paid invoice with a refund, a stop, a notification and an alert beside it."""
    _, invoice_id = web.invoiced(buyer_name="Kim", external_id="card-1", metadata={"team": "sales"})
    web.charge(invoice_id, approve)
    body = {"amount": 3000, "reason": "two days without service"}
    asked = web.api.post(f"/v1/invoices/{invoice_id}/refunds", json=body, headers={"Idempotency-Key": "refund-1"})
    assert asked.status_code == 201, asked.text
    web.create("stops", scope="pg:nice_v2", reason="amounts look wrong")
    assert web.api.post("/webhooks/portone", json=HINT).status_code == 200
    return invoice_id


LISTS = {
    "plans": ("plan",),
    "dunning-policies": ("dunning",),
    "billing-keys": ("key",),
    "subscriptions": ("subscription",),
    "invoices": ("invoice",),
    "refunds": ("refund",),
    "alerts": ("alert",),
    "actions": ("action",),
    "inbox": ("inbox",),
    "events": ("event",),
    "stops": ("breaker",),
}


@pytest.mark.usefixtures("invoice_id")
@pytest.mark.parametrize("path", LISTS)
def test_a_list_shows_the_same_on_both(web: Web, say: Say, path: str) -> None:
    answered = web.api.get(f"/v1/{path}").json()["data"]
    assert answered, path
    assert say(*LISTS[path], "list") == answered


ONE = {name: command for name, command in LISTS.items() if name not in ("actions", "stops")}


@pytest.mark.usefixtures("invoice_id")
@pytest.mark.parametrize("path", ONE)
def test_one_thing_is_shown_the_same_on_both(web: Web, say: Say, path: str) -> None:
    ident = web.api.get(f"/v1/{path}").json()["data"][0]["id"]
    answered = web.api.get(f"/v1/{path}/{ident}").json()
    if path == "billing-keys":  # what a command prints ends in files and logs
        answered["customer_uid"] = masked(answered["customer_uid"])
    assert say(*ONE[path], "show", str(ident)) == answered


def test_an_invoice_shows_its_attempts_and_a_customer_everything_on_both(web: Web, say: Say, invoice_id: str) -> None:
    shown = say("invoice", "show", invoice_id)
    assert shown["attempts"] == web.api.get(f"/v1/attempts?invoice_id={invoice_id}").json()["data"]
    customer = say("customer", "show", "user-1")
    assert customer["last_payments"] == shown["attempts"]
    assert customer == web.api.get("/v1/customers/user-1").json()


def test_why_and_the_report_say_the_same_on_both(
    web: Web, say: Say, invoice_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_TIMEZONE", "Asia/Seoul")
    assert say("why", invoice_id) == web.api.get(f"/v1/why/{invoice_id}").json()
    printed, answered = say("report"), web.api.get("/v1/report").json()
    assert printed["standing"].keys() == answered["standing"].keys()
    # How things stand, and the last day, depend on the moment, and the command has another clock.
    of_the_moment = dict.fromkeys(("standing", "drain", "outcomes"))
    assert printed | of_the_moment == answered | of_the_moment
    assert len(answered["outcomes"]) == 1


def test_alerts_are_the_same_on_both_in_the_reader_s_language(
    web: Web, say: Say, invoice_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = web.api.get("/v1/alerts").json()["data"]
    monkeypatch.setenv("BILLING_LANGUAGE", "ko")
    monkeypatch.setitem(web.api.headers, "Accept-Language", "ko")
    korean = web.api.get("/v1/alerts").json()["data"]
    assert korean
    assert all(each["actions"] for each in korean)
    assert [each["title"] for each in korean] != [each["title"] for each in english]
    assert say("alert", "list") == korean
    ident = korean[0]["id"]
    assert say("alert", "show", str(ident)) == web.api.get(f"/v1/alerts/{ident}").json()
    assert say("report")["alerts"] == web.api.get("/v1/report").json()["alerts"] == korean
    monkeypatch.setenv("BILLING_TIMEZONE", "Asia/Seoul")
    assert say("why", invoice_id) == web.api.get(f"/v1/why/{invoice_id}").json()


def views() -> dict[str, type]:
    """Every view by its name."""
    rooms = (
        card_sessions,
        control,
        customers,
        declines,
        fallbacks,
        dunning,
        gateway,
        insight,
        invoices,
        keys,
        payments,
        traffic,
        pgs,
        plans,
        recovery,
        refunds,
        schedules,
        shadow,
        subscribed,
    )
    found = {name: each for room in rooms for name, each in vars(room).items() if is_dataclass(each)}
    return {name: each for name, each in found.items() if each.__module__.startswith(plans.__package__)}


@pytest.mark.parametrize("name", views())
def test_the_description_has_the_fields_of_each_view(web: Web, name: str) -> None:
    schema = web.app.openapi()["components"]["schemas"][name]
    known = fields(views()[name])
    assert list(schema["properties"]) == [each.name for each in known]
    assert schema["required"] == [each.name for each in known]
    for each in known:
        if "description" in each.metadata:
            assert schema["properties"][each.name]["description"] == each.metadata["description"]
        if "examples" in each.metadata:
            assert schema["properties"][each.name]["examples"] == each.metadata["examples"]


def test_every_answer_is_a_view_or_a_page_of_views(web: Web) -> None:
    schemas = web.app.openapi()["components"]["schemas"]
    for path, operations in web.app.openapi()["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                reference = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
                if path.startswith("/v1/") and status.startswith("2"):
                    name = reference.rpartition("/")[2]
                    assert name in views() or set(schemas[name]["properties"]) == PAGE, (path, name)


def test_no_entrance_has_a_list_of_fields_of_its_own() -> None:
    for path in sorted((ROOT / "billing_worker/web/api").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and path.name != "shapes.py":
                bases = {ast.unparse(base) for base in node.bases}
                assert bases & {"Input", "Paging", "Created"} or not bases & {"BaseModel"}, (path.name, node.name)


def test_a_field_that_a_view_gets_is_in_the_json_of_both_and_described() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Before:
        """A thing."""

        id: str = field(metadata=described(example="x_1"))

    added = ("colour", str, field(metadata=described("How it looks", example="red")))
    after = make_dataclass("After", [added], bases=(Before,), frozen=True, slots=True, kw_only=True)
    after.__doc__ = "A thing."
    thing = after(id="x_1", colour="blue")

    app: FastAPI = new_app()
    app.add_api_route("/thing", lambda: thing, response_model=after, name="thing", description="A thing.")
    schema = app.openapi()["components"]["schemas"]["After"]["properties"]["colour"]
    assert (schema["description"], schema["examples"]) == ("How it looks", ["red"])
    assert Output(as_json=True, zone="UTC").plain(thing) == {"id": "x_1", "colour": "blue"}
