"""PGs over HTTP: a list for reading, and an unknown PG refused where a key is registered."""

from web_helpers import Web

from billing_worker.domain.pgs.table import PGS


def test_pgs_are_listed_and_shown(web: Web) -> None:
    listed = web.api.get("/v1/pgs").json()
    assert [each["code"] for each in listed["data"]] == list(PGS)
    assert listed["next_cursor"] is None
    shown = web.api.get("/v1/pgs/ksnet").json()
    assert shown["korean"] == "KSNET"
    assert {each["field"] for each in shown["facts"] if each["checked_here"]} >= {"buyer_name", "product_type"}
    missing = web.api.get("/v1/pgs/stripe")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


def test_a_key_of_an_unknown_pg_is_refused_by_name(web: Web) -> None:
    refused = web.api.post("/v1/billing-keys", json={"customer_uid": "u-1", "pg_provider": "naver"})
    assert refused.status_code == 422
    assert refused.json()["field"] == "pg_provider"
    assert "'naver'" in refused.text
    assert "naverpay" in refused.text or "naverco" in refused.text
    assert web.api.get("/v1/billing-keys").json()["data"] == []
