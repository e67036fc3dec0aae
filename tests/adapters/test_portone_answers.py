"""The table of answers: what each shape of an answer to `again` proves."""

import pytest
from portone_world import NO_PAYMENT, REQUEST, UNAUTHORIZED, body, envelope, keep, payment

from billing_worker.adapters.portone.answers import outcome_of, page_of, token_of
from billing_worker.adapters.portone.client import Answer
from billing_worker.adapters.portone.envelope import NotUnderstood
from billing_worker.adapters.portone.keys import key_of
from billing_worker.adapters.portone.tokens import NoToken, Token
from billing_worker.domain.declines.reasons import DeclineKind
from billing_worker.domain.payment import Approved, Declined, Failed, Outcome, PaymentStatus, Unknown

DUPLICATE = "이미 주문이 이루어진 건입니다. (동일한 merchant_uid로 결제 또는 취소된 기록이 있습니다)"
UNKNOWN_BUYER = "등록되지 않은 구매자입니다."


def outcome(raw: bytes, status: int = 200) -> Outcome:
    return outcome_of(REQUEST, Answer(status, raw), keep)


def paid(**changes: object) -> bytes:
    return body(envelope(payment(**changes)))


def text_of(document: str) -> bytes:
    """The approved answer with one piece of its JSON text replaced: `old -> new`."""
    old, new = document.split(" -> ")
    whole = paid().decode()
    assert old in whole
    return whole.replace(old, new, 1).encode()


APPROVED = {
    "as documented": paid(),
    "an unknown field": paid(brand_new={"deep": [1, 2]}),
    "amounts as strings": paid(amount="9900", cancel_amount="0"),
    "an amount with decimals": text_of('"amount": 9900 -> "amount": 9900.00'),
    "timestamps as strings": paid(started_at="1735689600", paid_at="1735689601"),
    "timestamps missing": paid(started_at=None, paid_at=0),
    "code as a string": body(envelope(payment(), code="0")),
    "a message with success": body(envelope(payment(), message="ok")),
    "no cancel_amount": paid(cancel_amount=None),
    "no pg_provider": paid(pg_provider=None),
    "an answer that knows no test channels": paid(sandbox=None),
    "partly refunded": paid(status="cancelled", cancel_amount=100),
    "no customer_uid": paid(customer_uid=None),
    "an empty customer_uid": paid(customer_uid=""),
}


@pytest.mark.parametrize("raw", APPROVED.values(), ids=APPROVED)
def test_money_was_taken(raw: bytes) -> None:
    assert isinstance(outcome(raw), Approved)


UNKNOWN_200 = {
    "empty": b"",
    "white space": b"  \r\n",
    "HTML": b"<html><body>502 Bad Gateway</body></html>",
    "half the JSON": paid()[:100],
    "JSON and more": paid() + b"{}",
    "a byte order mark": b"\xef\xbb\xbf" + paid(),
    "UTF-16": paid().decode().encode("utf-16"),
    "EUC-KR": paid(name="월간 구독").decode().encode("euc-kr"),
    "an array": b"[" + paid() + b"]",
    "a string": b'"paid"',
    "a number": b"0",
    "null": b"null",
    "NaN": text_of('"amount": 9900 -> "amount": NaN'),
    "Infinity": text_of('"amount": 9900 -> "amount": Infinity'),
    "deep JSON": b'{"code":0,"response":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep JSON in a payment": b'{"code":0,"response":{"x":' + b'{"x":' * 5000 + b"1" + b"}" * 5000 + b"}}",
    "an int of 5,000 digits": text_of('"amount": 9900 -> "amount": ' + "9" * 5000),
    "an int of 4,000 digits": text_of('"amount": 9900 -> "amount": ' + "9" * 4000),
    "a code of 4,000 digits": text_of('"code": 0 -> "code": ' + "9" * 4000),
    "a time of 4,000 digits": text_of('"paid_at": 1735689601 -> "paid_at": ' + "9" * 4000),
    "an exponent": text_of('"amount": 9900 -> "amount": 99e2'),
    "a monstrous exponent": text_of('"amount": 9900 -> "amount": 1e999999999'),
    "an impossible exponent": text_of('"amount": 9900 -> "amount": 1e99999999999999999999'),
    "a tiny amount": text_of('"amount": 9900 -> "amount": 9900e-999999'),
    "an exponent in a string": paid(amount="99e2"),
    "a string with blanks": paid(amount=" 9900"),
    "a string with a comma": paid(amount="9,900"),
    "a string with other digits": paid(amount="９９００"),  # noqa: RUF001 - full-width digits are the point
    "an amount of V2": paid(amount={"total": 9900}),
    "an amount in a list": paid(amount=[9900]),
    "a true amount": paid(amount=True),
    "no amount": paid(amount=None),
    "a negative amount": paid(amount=-9900),
    "a negative cancel_amount": paid(cancel_amount=-1),
    "half a won": text_of('"amount": 9900 -> "amount": 9900.5'),
    "less than asked": paid(amount=9800),
    "more than asked": paid(amount=9901),
    "another currency": paid(currency="USD"),
    "no currency of this world": paid(currency="WON"),
    "currency in lower case": paid(currency="krw"),
    "another merchant_uid": paid(merchant_uid="test1sub1p1g2"),
    "merchant_uid in upper case": paid(merchant_uid=REQUEST.merchant_uid.upper()),
    "another customer_uid": paid(customer_uid="card_2"),
    "a number as customer_uid": paid(customer_uid=1),
    "no imp_uid": paid(imp_uid=None),
    "an empty imp_uid": paid(imp_uid=""),
    "an imp_uid with a path": paid(imp_uid="../imp_1"),
    "a list as imp_uid": paid(imp_uid=["imps_1"]),
    "a NUL in merchant_uid": paid(merchant_uid=REQUEST.merchant_uid + "\x00"),
    "status ready": paid(status="ready"),
    "status pending": paid(status="pending"),
    "status settling": paid(status="settling"),
    "status unrecognised": paid(status="unrecognised"),
    "status PAID": paid(status="PAID"),
    "status null": paid(status=None),
    "on a test channel": paid(sandbox=True),
    "failed on a test channel": paid(status="failed", sandbox=True),
    "cancelled on a test channel": paid(status="cancelled", cancel_amount=9900, sandbox=True),
    "perhaps on a test channel": paid(sandbox="false"),
    "status as a number": paid(status=1),
    "cancelled without an amount": paid(status="cancelled", cancel_amount=None),
    "cancelled over nothing": paid(status="cancelled", cancel_amount=0),
    "cancelled over too much": paid(status="cancelled", cancel_amount=9901),
    "a failed payment of another order": paid(status="failed", merchant_uid="other"),
    "two statuses": text_of('"status": "paid" -> "status": "failed", "status": "paid"'),
    "two codes": text_of('"code": 0 -> "code": 1, "code": 0'),
    "no code": body({"message": None, "response": payment()}),
    "code null": body(envelope(payment(), code=None)),
    "code false": body(envelope(payment(), code=False)),
    "code 0.0": body(envelope(payment(), code=0.0)),
    "message as a list": body(envelope(payment(), message=["ok"])),
    "response null": body(envelope(None)),
    "response missing": b'{"code":0,"message":null}',
    "response an array": body(envelope([payment()])),
    "response empty": body(envelope({})),
    "a wild time": paid(paid_at=10**14),
    "a negative time": paid(paid_at=-1),
    "a time as a list": paid(started_at=[0]),
    "a time that is true": paid(started_at=True),
    "fail_reason as a number": paid(fail_reason=7),
    "code 1 without words": body(envelope(None, 1, None)),
    "code 1, duplicate": body(envelope(None, 1, DUPLICATE)),
    "code -1, duplicate": body(envelope(None, -1, DUPLICATE)),
    "code -1, communication": body(envelope(None, -1, "[8995] 결제기관 시스템 통신오류. 5분후 재시도 요망")),
    "code -1, risk review": body(envelope(None, -1, "(PG사 결제 장애) Internal error")),
    "code 1 and a payment": body(envelope(payment(), 1, UNKNOWN_BUYER)),
    "code 1, buyer and duplicate": body(envelope(None, 1, UNKNOWN_BUYER + DUPLICATE)),
    "code 7 of the future": body(envelope(None, 7, "something new")),
}


@pytest.mark.fm("C18")
@pytest.mark.fm("C19")
@pytest.mark.fm("C20")
@pytest.mark.fm("C21")
@pytest.mark.fm("C22")
@pytest.mark.fm("C24")
@pytest.mark.fm("C25")
@pytest.mark.fm("C26")
@pytest.mark.fm("L20")
@pytest.mark.parametrize("raw", UNKNOWN_200.values(), ids=UNKNOWN_200)
def test_nothing_is_proven(raw: bytes) -> None:
    assert isinstance(outcome(raw), Unknown)


@pytest.mark.fm("C15")
@pytest.mark.fm("C17")
@pytest.mark.parametrize("status", [201, 202, 204, 207, 301, 307, 400, 403, 404, 408, 409, 500, 502, 503, 504, 599])
@pytest.mark.parametrize(
    "raw", [paid(), body(envelope(None, 1, UNKNOWN_BUYER)), body(UNAUTHORIZED), b"", b"<html>"], ids=range(5)
)
def test_no_other_http_status_proves_anything(status: int, raw: bytes) -> None:
    assert isinstance(outcome(raw, status), Unknown)


@pytest.mark.fm("C14")
@pytest.mark.fm("C16")
@pytest.mark.parametrize("status", [401, 429])
def test_a_refusal_before_the_charge_counts_only_in_the_gateways_own_words(status: int) -> None:
    assert isinstance(outcome(body(UNAUTHORIZED), status), Failed)
    for raw in (b"", b"<html>", b"{}", b'{"message":"Unauthorized"}', paid(), body(envelope(payment(), -1, "no"))):
        assert isinstance(outcome(raw, status), Unknown)


@pytest.mark.parametrize(
    ("raw", "duplicate"),
    [
        (body(envelope(None, 1, DUPLICATE)), True),
        (body(envelope(payment(), 1, DUPLICATE)), True),
        (body(envelope(None, 1, "이미 결제된 주문")), True),
        (body(envelope(None, -1, "통신장애")), False),
        (body(envelope(None, 1, None)), False),
        (b"<html>", False),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_order_id_that_was_used_before_is_told_from_other_doubt(raw: bytes, *, duplicate: bool, status: int) -> None:
    found = outcome(raw, status)
    assert isinstance(found, Unknown)
    assert found.duplicate is duplicate


def test_a_decline_is_a_payment_that_failed() -> None:
    soft = outcome(paid(status="failed", fail_reason="[3095]한도초과"))
    hard = outcome(paid(status="failed", fail_reason="[CC43]도난카드"))
    mute = outcome(paid(status="failed", fail_reason=None))
    assert isinstance(soft, Declined)
    assert isinstance(hard, Declined)
    assert isinstance(mute, Declined)
    assert [soft.kind, hard.kind, mute.kind] == [DeclineKind.SOFT, DeclineKind.HARD, DeclineKind.SOFT]
    assert soft.imp_uid == "imps_123456789012"


def test_an_unknown_key_is_a_hard_decline_without_a_payment() -> None:
    refused = outcome(body(envelope(None, 1, UNKNOWN_BUYER)))
    assert isinstance(refused, Declined)
    assert (refused.kind, refused.reason, refused.imp_uid) == (DeclineKind.HARD, UNKNOWN_BUYER, None)


def test_a_missing_parameter_was_not_placed() -> None:
    assert isinstance(outcome(body(envelope(None, 1, '["amount"] 파라메터는 필수입니다.'))), Failed)


def test_a_net_cancel_took_the_money_back() -> None:
    failed = outcome(paid(status="cancelled", cancel_amount=9900))
    assert isinstance(failed, Failed)
    assert failed.new_merchant_uid


def test_money_in_the_wrong_amount_is_alarming() -> None:
    unknown = outcome(paid(amount=1))
    assert isinstance(unknown, Unknown)
    assert unknown.alarming


@pytest.mark.fm("E23")
def test_a_test_channel_proves_something_only_where_one_is_expected() -> None:
    raw = paid(sandbox=True)
    unknown = outcome(raw)
    assert isinstance(unknown, Unknown)
    assert unknown.alarming
    assert "BILLING_PORTONE_INCLUDE_SANDBOX" in unknown.reason
    assert isinstance(outcome_of(REQUEST, Answer(200, raw), keep, test_channels=True), Approved)
    with pytest.raises(NotUnderstood, match="test channel"):
        page_of(Answer(200, raw), keep)


def test_reasons_can_be_stored_and_read() -> None:
    words = "half \\ud83d pair, \\u0000 4242424242424242 \\n line" + " long" * 1000
    unknown = outcome(b'{"code":1,"response":null,"message":"' + words.encode() + b'"}')
    assert isinstance(unknown, Unknown)
    unknown.reason.encode("utf-8")
    assert "\x00" not in unknown.reason
    assert "\n" not in unknown.reason
    assert "42424242" not in unknown.reason
    assert len(unknown.reason) < 500
    declined = outcome(body(envelope(payment(status="failed", fail_reason="4242-4242-4242-4242\x00 정지카드"))))
    assert isinstance(declined, Declined)
    assert "4242-4242" not in declined.reason
    assert "\x00" not in declined.reason


# Reads


def test_a_page_of_payments() -> None:
    rows = [payment(imp_uid="imps_1"), payment(imp_uid="imps_2", status="failed")]
    paged = envelope({"total": 3, "previous": 0, "next": 2, "list": rows})
    page = page_of(Answer(200, body(paged)), keep)
    assert [found.imp_uid for found, _ in page.payments] == ["imps_1", "imps_2"]
    assert (page.next_page, page.total) == (2, 3)
    assert "imps_2" in page.payments[1][1].body
    assert "imps_1" not in page.payments[1][1].body


@pytest.mark.parametrize(
    "response",
    [
        [payment()],
        {"total": 1, "previous": 0, "next": 0, "list": [payment()]},
        {"total": "1", "previous": None, "next": None, "list": [payment()]},
        payment(),
    ],
    ids=["array", "paged", "paged with odd types", "one payment"],
)
def test_both_shapes_of_a_list(response: object) -> None:
    page = page_of(Answer(200, body(envelope(response))), keep)
    assert [found.status for found, _ in page.payments] == [PaymentStatus.PAID]
    assert page.next_page is None


def test_not_found_is_an_empty_page_only_in_the_gateways_own_words() -> None:
    assert page_of(Answer(404, body(NO_PAYMENT)), keep).payments == ()
    for raw in (b"", b"<html>not found</html>", b'{"message":"Not Found"}', paid(), body(envelope(None))):
        with pytest.raises(NotUnderstood):
            page_of(Answer(404, raw), keep)


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (200, envelope(None)),
        (200, envelope({})),
        (200, envelope("none")),
        (200, envelope(None, 1, "어떤 오류")),
        (200, envelope({"total": 1, "next": 0, "list": None})),
        (200, envelope({"next": 0, "list": []})),
        (200, envelope({"total": 1, "next": [], "list": [payment()]})),
        (200, envelope([payment(), payment(amount=None)])),
        (200, envelope([None])),
        (500, envelope([payment()])),
        (401, UNAUTHORIZED),
    ],
)
def test_a_read_that_proves_nothing(status: int, document: object) -> None:
    with pytest.raises(NotUnderstood):
        page_of(Answer(status, body(document)), keep)


UNKNOWN_CUSTOMER = "요청하신 customer_uid(card_1)로 등록된 정보를 찾을 수 없습니다."


@pytest.mark.parametrize(
    ("status", "document", "known"),
    [
        (200, envelope({"customer_uid": "card_1", "pg_provider": "nice_v2"}), True),
        (404, envelope(None, 1, UNKNOWN_CUSTOMER), False),
        (404, envelope(None, 1, "other words"), False),
        (200, envelope(None, 1, UNKNOWN_CUSTOMER), False),
        (200, envelope(None, 1, "other words"), None),
        (200, envelope(None, 0), None),
        (200, envelope({"customer_uid": "card_2"}), None),
        (200, envelope([]), None),
        (404, "Not Found", None),
        (401, UNAUTHORIZED, None),
        (500, envelope(None, -1, UNKNOWN_CUSTOMER), None),
        (503, envelope({"customer_uid": "card_1"}), None),
    ],
)
def test_whether_a_key_is_known(status: int, document: object, known: bool | None) -> None:  # noqa: FBT001
    assert key_of(Answer(status, body(document)), "card_1").known is known


@pytest.mark.parametrize(
    "response",
    [
        {"access_token": "x" * 40, "now": 100, "expired_at": 100},
        {"access_token": "x" * 40, "now": 100, "expired_at": 10**12},
        {"access_token": "x" * 40, "now": 100},
        {"access_token": "x\r\nX-Evil: 1", "now": 100, "expired_at": 200},
        {"access_token": "가", "now": 100, "expired_at": 200},
        {"access_token": "", "now": 100, "expired_at": 200},
        {"access_token": 7, "now": 100, "expired_at": 200},
        {"access_token": "x" * 1000, "now": 100, "expired_at": 200},
        [],
        None,
        "x" * 40,
    ],
)
def test_a_token_that_cannot_be_used(response: object) -> None:
    assert isinstance(token_of(Answer(200, body(envelope(response)))), NoToken)


def test_a_token() -> None:
    good = envelope({"access_token": "x" * 40, "now": "100", "expired_at": 1900})
    assert token_of(Answer(200, body(good))) == Token("x" * 40, 1800.0)
    assert isinstance(token_of(Answer(500, body(good))), NoToken)
    assert "x" * 40 not in repr(token_of(Answer(200, body(good))))
