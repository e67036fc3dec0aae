import pytest
from web_calls import HINT, assert_problem, eventually
from web_helpers import Web


def test_the_inbox_is_listed_shown_and_replayed(web: Web) -> None:
    own = web.own_hint()
    web.api.post("/webhooks/portone", json=HINT)
    web.api.post("/webhooks/portone", json=own)
    listed = web.api.get("/v1/inbox").json()["data"]
    assert [(each["foreign"], each["status"]) for each in listed] == [(False, "received"), (True, "received")]
    assert [each["id"] for each in web.api.get("/v1/inbox?foreign=true").json()["data"]] == [listed[1]["id"]]
    for query in ("stuck=true", "status=applied", "source=paymentwall", "received_after=2100-01-01T00:00:00Z"):
        assert web.api.get(f"/v1/inbox?{query}").json() == {"data": [], "next_cursor": None}
    shown = web.api.get(f"/v1/inbox/{listed[0]['id']}").json()
    assert shown["payload"] == own
    web.doorbell.rings.clear()
    for each in listed:
        assert web.api.post(f"/v1/inbox/{each['id']}/replay").json()["status"] == "received"
    eventually(lambda: web.doorbell.rings == [("apply", str(listed[0]["id"]))], "the ring for the one of ours only")


def test_a_foreign_webhook_is_not_rung_for(web: Web) -> None:
    own = web.own_hint()
    for number in range(20):
        web.api.post("/webhooks/portone", json=HINT | {"imp_uid": f"imp_{number}"})
    web.api.post("/webhooks/portone", json=own)
    eventually(lambda: len(web.doorbell.rings) > 0, "the ring")
    assert len(web.doorbell.rings) == 1


@pytest.mark.parametrize("query", ["status=lost", "source=stripe", "received_after=2026-01-01", "stuck=perhaps", "x=1"])
def test_what_is_wrong_is_named(web: Web, query: str) -> None:
    assert_problem(web.api.get(f"/v1/inbox?{query}"), 422, query.partition("=")[0])


def test_what_is_not_there_is_404(web: Web) -> None:
    assert_problem(web.api.get("/v1/inbox/999999"), 404)
    assert_problem(web.api.post("/v1/inbox/999999/replay"), 404)
