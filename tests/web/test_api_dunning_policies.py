"""Dunning policies over HTTP."""

from web_calls import PLAN, assert_problem
from web_helpers import Web

PAYDAYS = {"steps": ["1d paydays 10:00"], "quiet": "21:00-08:00"}


def test_a_policy_is_created_listed_shown_and_attached(web: Web) -> None:
    made = web.create("dunning-policies", name="paydays", definition=PAYDAYS)
    assert (made["id"], made["definition"]["steps"], made["definition"]["final"]) == (
        "paydays@1",
        ["1d paydays 10:00"],
        "unpaid",
    )
    assert web.create("dunning-policies", name="paydays", definition=PAYDAYS) == made
    newer = web.create("dunning-policies", name="paydays", definition={"steps": []})
    assert web.api.get("/v1/dunning-policies/paydays").json() == newer
    assert web.api.get("/v1/dunning-policies/paydays?version=1").json() == made
    listed = web.api.get("/v1/dunning-policies?name=paydays").json()["data"]
    assert {each["id"] for each in listed} == {"paydays@1", "paydays@2"}
    plan = web.create("plans", **PLAN, dunning_policy="paydays")
    assert plan["dunning_policy"] == "paydays"
    assert web.api.patch(f"/v1/plans/{plan['id']}", json={"dunning_policy": "days-2-4"}).status_code == 200
    assert web.api.get("/v1/dunning-policies/days-2-4").json()["definition"]["steps"] == ["2d", "4d"]
    assert web.api.patch(f"/v1/plans/{plan['id']}", json={"dunning_policy": "paydays"}).status_code == 200
    changed = web.api.patch(f"/v1/plans/{plan['id']}", json={"dunning_policy": "paydayz"})
    assert_problem(changed, 422, "dunning_policy")
    key = web.create("billing-keys", customer_uid="card-1", pg_provider="nice_v2")
    own = {"plan_id": plan["id"], "billing_key_id": key["id"], "customer": "user-1"}
    subscription = web.create("subscriptions", **own, dunning_policy="paydays")
    path = f"/v1/subscriptions/{subscription['id']}"
    assert subscription["dunning_policy"] == "paydays"
    assert web.api.patch(path, json={"dunning_policy": ""}).json()["dunning_policy"] is None
    payment = web.create("payments", billing_key_id=key["id"], amount=100, dunning_policy="paydays")
    assert payment["dunning_policy"] == "paydays@2"


def test_a_bad_definition_names_its_field(web: Web) -> None:
    for definition, field in (
        ({"steps": ["1d"] * 16}, "steps"),
        ({"steps": ["1d weekdays 22:00"], "quiet": "21:00-08:00"}, "steps"),
        ({"steps": [], "final": "forget"}, "final"),
        ({"steps": [], "retries": 3}, "retries"),
        ({}, "steps"),
        ({"steps": [None]}, "steps"),
        ({"steps": [], "win_back": 3}, "win_back"),
    ):
        refused = web.api.post("/v1/dunning-policies", json={"name": "bad", "definition": definition})
        assert_problem(refused, 422, field)
    for definition, field in (
        (r'{"steps": [], "\ud800": 1}', r"\ud800"),
        (r'{"steps": ["1d cron 0 \ud800 * * *"]}', "steps"),
        ('{"steps": [], "quiet": NaN}', "quiet"),
        ('{"steps": [], "jitter": "3d"}', "jitter"),
    ):
        raw = f'{{"name": "bad", "definition": {definition}}}'.encode()
        refused = web.api.post("/v1/dunning-policies", content=raw, headers={"Content-Type": "application/json"})
        assert_problem(refused, 422, field)
    assert_problem(web.api.get("/v1/dunning-policies/unheard-of"), 404, None)
    assert web.count("dunning_policies") == 0
