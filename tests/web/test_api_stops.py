"""Stops over HTTP: made, listed, cleared; and what cannot be is said by its field."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from web_calls import DEADLINE, assert_problem, eventually
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


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "stop-the-line"}], ids=["without a key", "with a key"])
def test_what_a_stop_held_up_while_it_waited_sees_it(
    web: Web, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An act hangs; the next ones queue behind the stop, and go on when it has given up waiting."""
    monkeypatch.setattr("billing_worker.adapters.database.stops.LONGEST_ACT_MS", 500)
    _, hanging = web.invoiced()
    _, next_one = web.invoiced(customer_uid="user-2-card-1")
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    waiting = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND {here}"  # noqa: S608 - a test's own words

    def act() -> bool:
        with web.ports.database.transaction() as uow:
            return uow.lock_due([next_one])[0].stop is not None

    with ThreadPoolExecutor(2) as pool, web.ports.database.transaction() as uow:
        uow.lock_due([hanging])
        stopping = pool.submit(web.api.post, "/v1/stops", json={"scope": "all", "reason": "r"}, headers=headers)
        eventually(lambda: bool(web.rows(waiting)), "the stop waits")
        assert pool.submit(act).result(DEADLINE)
        assert stopping.result(DEADLINE).status_code == 201
