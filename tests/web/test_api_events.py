"""Outgoing events over HTTP: listed, shown, sent once more; and the receiver that they go to."""

from web_calls import assert_problem
from web_helpers import Web


def test_events_are_listed_shown_and_sent_once_more(web: Web) -> None:
    subscription, _ = web.invoiced()
    (listed,) = web.api.get("/v1/events").json()["data"]
    assert (listed["type"], listed["sequence"], listed["status"]) == ("subscription.created", 1, "waiting")
    assert listed["stream"] == listed["subject_id"] == listed["data"]["subscription_id"] == subscription["id"]
    assert web.api.get(f"/v1/events/{listed['id']}").json() == listed
    for query, found in (
        ({"subscription_id": subscription["id"]}, 1),
        ({"subscription_id": "sub_other"}, 0),
        ({"type": "invoice.paid"}, 0),
        ({"failed": True}, 0),
        ({"status": "given_up"}, 0),
        ({"occurred_after": "2026-01-01T00:00:00Z"}, 1),
        ({"occurred_after": "2199-01-01T00:00:00Z"}, 0),
    ):
        assert len(web.api.get("/v1/events", params=query).json()["data"]) == found, query
    with web.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox SET delivered_at = now(), tries = 1, first_tried_at = now()")
    assert web.api.get(f"/v1/events/{listed['id']}").json()["status"] == "delivered"
    again = web.api.post(f"/v1/events/{listed['id']}/replay").json()
    assert (again["id"], again["status"], again["replays"], again["tries"]) == (listed["id"], "waiting", 1, 0)
    assert b"billing_events_given_up 0.0" in web.api.get("/metrics").content


def test_what_is_not_there_is_said(web: Web) -> None:
    assert_problem(web.api.get("/v1/events/evt_none"), 404)
    assert_problem(web.api.post("/v1/events/evt_none/replay"), 404)
    assert_problem(web.api.get("/v1/events", params={"type": "invoice.eaten"}), 422)
    for problem in (web.api.get("/v1/events/endpoint"), web.api.post("/v1/events/endpoint/enable")):
        assert "BILLING_EVENTS_URL" in assert_problem(problem, 409)
