"""Stops over HTTP: made, listed, cleared; and what cannot be is said by its field."""

from web_calls import assert_problem
from web_helpers import Web


def test_a_stop_is_made_listed_and_cleared(web: Web) -> None:
    made = web.api.post("/v1/stops", json={"scope": "pg:nice_v2", "reason": "strange answers"})
    assert made.status_code == 201
    stop = made.json()
    assert (stop["scope"], stop["cause"], stop["waiting_invoices"]) == ("pg:nice_v2", "person", 0)
    assert web.api.post("/v1/stops", json={"scope": "pg:nice_v2", "reason": "again"}).json()["id"] == stop["id"]
    assert [each["id"] for each in web.api.get("/v1/stops").json()["data"]] == [stop["id"]]
    assert web.api.get("/v1/report").json()["standing"]["open_stops"] == 1
    assert b"billing_stops_open 1.0" in web.api.get("/metrics").content
    cleared = web.api.post(f"/v1/stops/{stop['id']}/clear", json={"note": "it was nothing"}).json()
    assert cleared["note"] == "it was nothing"
    assert cleared["closed_at"] is not None
    assert web.api.get("/v1/stops", params={"open": True}).json()["data"] == []
    assert len(web.api.get("/v1/stops", params={"open": False}).json()["data"]) == 1
    assert_problem(web.api.post(f"/v1/stops/{stop['id']}/clear", json={"note": "again"}), 409)


def test_what_cannot_be_stopped_or_cleared_is_refused(web: Web) -> None:
    for body in ({}, {"scope": "all"}, {"scope": "all", "reason": ""}, {"scope": "some", "reason": "x"}):
        assert_problem(web.api.post("/v1/stops", json=body), 422)
    assert_problem(web.api.post("/v1/stops", json={"scope": "subscription:sub_none", "reason": "x"}), 404)
    assert_problem(web.api.post("/v1/stops/4711/clear", json={"note": "x"}), 404)
    assert_problem(web.api.post("/v1/stops/one/clear", json={"note": "x"}), 422)
    assert web.count("stops") == 0
