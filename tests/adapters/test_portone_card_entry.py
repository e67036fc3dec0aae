"""Card data on the wire of V1: sent once, judged strictly, and blanked out of whatever comes back."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from billing_worker.adapters.portone import PortOneGateway, entry, requests
from billing_worker.adapters.portone.client import Answer
from billing_worker.domain.card_entry import (
    Card,
    DeleteAnswer,
    Deleted,
    IssueAnswer,
    Issued,
    IssueRequest,
    NotDeleted,
    NotIssued,
)
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Approved, ChargeRequest, Declined, Evidence, Failed, Unknown
from tests.support.leaky_gateway import leaking, spelt
from tests.support.sandbox import IMP_KEY, IMP_SECRET, PATIENCE, Sandbox

NUMBER = "5409600012345677"
UNKNOWN_KEY = "요청하신 customer_uid(card)로 등록된 정보를 찾을 수 없습니다."
DECLINED = "카드정보 인증 및 빌키 발급에 실패하였습니다. [F113]거래거절 카드번호틀림"


def card(number: str = NUMBER) -> Card:
    return Card.entered(number, "2031-04", birth="880301", pwd_2digit="37", real_now=datetime.now(UTC))


def keep(body: bytes) -> Evidence:
    return Evidence("portone", "a call", 200, body.decode("utf-8", "replace"))


def said(status: int, code: int, message: str | None = None, response: object = None) -> Answer:
    return Answer(status, json.dumps({"code": code, "message": message, "response": response}).encode())


ROW = {"customer_uid": "card", "card_name": "신한카드", "card_number": "540960******5677", "card_type": 1}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said(200, 0, None, ROW), Issued),
        (said(200, -1, DECLINED), NotIssued),
        (said(200, 1, '["expiry"] 파라메터는 필수입니다.'), NotIssued),
        (said(200, 1, "비인증결제모듈 사용정보를 찾을 수 없습니다."), NotIssued),
        (said(401, -1, "Unauthorized"), Failed),
        (said(429, -1, "Too Many Requests"), Failed),
        (said(200, 0, None, ROW | {"customer_uid": "another"}), Unknown),
        (said(200, 0, None, None), Unknown),
        (said(200, 0, None, []), Unknown),
        (said(200, -1, DECLINED, ROW), Unknown),
        (said(200, -1, "(PG사 결제 장애) Internal error"), Unknown),
        (said(500, -1, DECLINED), Unknown),
        (said(404, 0, None, ROW), Unknown),
        (said(401, 0, None, ROW), Unknown),
        (Answer(200, b"<html>"), Unknown),
        (Answer(200, b'{"code":0,"message":null,"respon'), Unknown),
        (Answer(502, b""), Unknown),
    ],
)
def test_only_a_named_key_is_issued_and_only_a_known_refusal_is_definite(
    answer: Answer, kind: type[IssueAnswer]
) -> None:
    found = entry.issue_of(answer, "card", keep)
    assert type(found) is kind, found


def test_an_issued_card_is_told_as_a_person_may_see_it() -> None:
    found = entry.issue_of(said(200, 0, None, ROW), "card", keep)
    assert isinstance(found, Issued)
    assert (found.card.issuer, found.card.last_digits) == ("신한카드", "5677")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said(200, 0, None, ROW), Deleted),
        (said(404, 1, UNKNOWN_KEY), Deleted),
        (said(200, 1, UNKNOWN_KEY), Deleted),
        (said(200, -1, "삭제 사유는 필수입니다."), NotDeleted),
        (said(401, -1, "Unauthorized"), Failed),
        (said(200, 0, None, ROW | {"customer_uid": "another"}), Unknown),
        (said(200, 1, UNKNOWN_KEY, ROW), Unknown),
        (said(500, 1, UNKNOWN_KEY), Unknown),
        (Answer(404, b"<html>"), Unknown),
        (Answer(200, b""), Unknown),
    ],
)
def test_a_deletion_is_known_by_the_key_or_by_its_absence(answer: Answer, kind: type[DeleteAnswer]) -> None:
    assert type(entry.deletion_of(answer, "card", keep)) is kind


@pytest.fixture
def gateway(shared_sandbox: Sandbox) -> Iterator[PortOneGateway]:
    made = PortOneGateway(shared_sandbox.url, IMP_KEY, IMP_SECRET, total_deadline=PATIENCE)
    yield made
    made.close()
    shared_sandbox.forget_rules()


def order(merchant_uid: str, customer_uid: str = "") -> ChargeRequest:
    return ChargeRequest(merchant_uid, customer_uid, Money(9900, "KRW"), "한 번", "nice_v2")


def test_a_card_is_charged_once_and_kept_as_a_key_if_wanted(gateway: PortOneGateway) -> None:
    once = gateway.charge_card(order("onetime1"), card())
    assert isinstance(once, Approved), once
    assert once.payment.customer_uid is None
    kept = gateway.charge_card(order("onetime2", "user-onetime-2"), card())
    assert isinstance(kept, Approved), kept
    assert gateway.read_key("user-onetime-2").known
    again = gateway.charge(order("onetime3", "user-onetime-2"))
    assert isinstance(again, Approved), again


def test_a_declined_card_leaves_no_key(gateway: PortOneGateway) -> None:
    refused = gateway.charge_card(order("onetime4", "user-onetime-4"), card("4000000000000000"))
    assert isinstance(refused, Declined), refused
    assert refused.imp_uid is None
    declined = gateway.charge_card(order("onetime5", "user-onetime-5"), card("4000000000001004"))
    assert isinstance(declined, Declined), declined
    assert declined.imp_uid is not None
    for customer_uid in ("user-onetime-4", "user-onetime-5"):
        assert gateway.read_key(customer_uid).known is False


def test_a_lost_answer_to_a_charge_of_a_card_is_unknown(gateway: PortOneGateway, shared_sandbox: Sandbox) -> None:
    shared_sandbox.rule("drop-after-charge", endpoint="onetime", merchant_uid="onetime6")
    assert isinstance(gateway.charge_card(order("onetime6"), card()), Unknown)
    assert [payment.status for payment, _ in gateway.payments_of("onetime6").payments] == ["paid"]


def test_a_bad_order_is_refused_before_anything_is_sent(gateway: PortOneGateway, shared_sandbox: Sandbox) -> None:
    found = gateway.charge_card(order("x" * 41), card())
    assert isinstance(found, Failed)
    assert NUMBER not in str(found)
    assert not [one for one in shared_sandbox.requests("/subscribe/payments/onetime") if "xxxx" in str(one)]


def test_no_call_shows_its_body() -> None:
    call = requests.issue(IssueRequest("user-1", "nice_v2", card()))
    assert b"5409-6000-1234-5677" in (call.body or b"")
    assert "5409" not in repr(call) + call.label + repr(IssueRequest("user-1", "nice_v2", card()))


@pytest.mark.parametrize("kind", ["ok", "decline", "refuse", "html", "garbage", "unauthorized"])
def test_a_gateway_that_repeats_the_card_is_not_repeated(kind: str) -> None:
    """In every answer, in plain digits, in groups, and with JSON escapes."""
    words = spelt([NUMBER, "5409-6000-1234-5677", "5409 6000 1234 5677"])
    with leaking(words, "canaryaccesstoken0123456789abcdef") as leaky:
        made = PortOneGateway(leaky.url, "imp-key-51a7", "imp-secret-0d1f29", total_deadline=PATIENCE)
        answers = [
            made.issue_key(IssueRequest(f"{kind}-canary", "nice_v2", card())),
            made.charge_card(order("leak1", f"{kind}-canary"), card()),
            made.delete_key(f"{kind}-canary", "why"),
        ]
        made.close()
    shown = "".join(letter for letter in repr(answers) if letter.isdecimal())
    assert NUMBER not in shown
