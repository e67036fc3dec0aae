"""`/v1/declines`: a text is explained, and texts that no rule understands are counted, masked and bounded."""

from web_helpers import Web

from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.payment import ChargeRequest, Declined, Outcome
from tests.builders import EVIDENCE


def declining(text: str) -> Outcome:
    return Declined(normalise("nice_v2", text), text, EVIDENCE)


def test_a_text_is_explained(web: Web) -> None:
    told = web.api.get("/v1/declines/explain", params={"pg": "kcp", "text": "[CC43]도난카드"}).json()
    assert (told["category"], told["advice"], told["code"]) == ("lost_or_stolen", "another_card", "CC43")
    assert "다른 카드" in told["korean"]
    assert web.api.get("/v1/declines/explain", params={"pg": "kcp"}).status_code == 422


def test_texts_that_no_rule_understands_are_counted_without_their_numbers(web: Web) -> None:
    assert web.api.get("/v1/declines/unknown").json()["data"] == []

    def strange(request: ChargeRequest) -> Outcome:
        return declining(f"qwer asdf {request.merchant_uid[-2:]}7 010-1234-5678")

    def limit(_: ChargeRequest) -> Outcome:
        return declining("한도초과")

    _, invoice_id = web.invoiced()
    for answer in (strange, strange, limit):
        web.charge(invoice_id, answer)
        assert web.api.post(f"/v1/invoices/{invoice_id}/retry").status_code == 200
    (found,) = web.api.get("/v1/declines/unknown").json()["data"]
    assert (found["pg"], found["count"]) == ("nice_v2", 2)
    assert found["text"].startswith("qwer asdf #")
    assert not any(digit in found["text"] for digit in "123456789")
    shown = web.api.get(f"/v1/invoices/{found['invoice_id']}").json()
    attempt = shown["attempts"][0]
    assert (attempt["decline_category"], attempt["decline_advice"]) == ("unknown", "ask_gateway")
