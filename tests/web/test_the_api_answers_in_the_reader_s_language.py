"""The API shows alerts in the language that the request likes best, with actions beside the words."""

from web_helpers import Web

from billing_worker.domain.alerts import AlertKind


def test_the_header_chooses_the_language_and_the_actions_stay(web: Web) -> None:
    subscription, invoice = web.invoiced()
    with web.ports.database.transaction() as uow:
        facts = {"case": "waits", "attempt": "att_1", "subscription": subscription["id"], "times": 2}
        uow.alerts.open(AlertKind.TAKEN_BACK, invoice, facts, web.clock.moment())
        uow.commit()
    (english,) = web.api.get("/v1/alerts").json()["data"]
    (korean,) = web.api.get("/v1/alerts", headers={"Accept-Language": "ko-KR, en;q=0.5"}).json()["data"]
    assert english["title"] == "Paid and given back"
    assert korean["title"] == "결제 후 되돌려진 금액"
    assert english["facts"] == korean["facts"] == facts
    retry, cancel = english["actions"]
    assert (retry["action"], retry["command"]) == ("retry_invoice", f"billing-worker invoice retry {invoice}")
    assert (cancel["action"], cancel["about"]["subscription"]) == ("cancel_subscription", subscription["id"])
    assert [each["command"] for each in korean["actions"]] == [retry["command"], cancel["command"]]
    shown = web.api.get(f"/v1/alerts/{english['id']}", headers={"Accept-Language": "ko"}).json()
    assert shown == {**korean, "evidence": None}
    told = web.api.get(f"/v1/why/{invoice}", headers={"Accept-Language": "ko"}).json()
    assert "결정을 기다립니다" in told["alerts"][0]
