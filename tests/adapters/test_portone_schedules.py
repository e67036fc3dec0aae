"""What PortOne says about schedules, and what it proves: only a row that is what was asked for, and few refusals."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from portone_world import REQUEST, always, body, envelope, keep, with_token
from scripted_server import Seen, Wire

from billing_worker.adapters.portone import schedules
from billing_worker.adapters.portone.client import Answer, NoAnswer, NotSent, Result
from billing_worker.adapters.portone.requests import Call
from billing_worker.adapters.portone.schedule_answers import reading_of, registration_of, revocation_of
from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest, Evidence, Failed, Trouble, Unknown
from billing_worker.domain.payment_options import PaymentOptions
from billing_worker.domain.schedule import (
    NotRegistered,
    Registered,
    Revoked,
    ScheduleListing,
    ScheduleRequest,
    ShownStatus,
)

AT = datetime(2026, 12, 1, tzinfo=UTC)
SECONDS = int(AT.timestamp())
WANTED = ScheduleRequest(REQUEST, AT)
SCHEDULE = "/subscribe/payments/schedule"
NO_KEY = "등록된 고객정보가 없습니다."
MISSING = '["amount"] 파라메터는 필수입니다.'
PAST = "예약 시각은 현재 이후여야 합니다."
TWICE = "이미 등록된 merchant_uid입니다."
NOTHING = "취소할 예약결제 기록이 존재하지 않습니다."
UNAUTHORIZED = "Unauthorized"


def row(**changes: Any) -> dict[str, Any]:
    """A schedule as PortOne shows it after WANTED was registered."""
    shown = {
        "customer_uid": REQUEST.customer_uid,
        "merchant_uid": REQUEST.merchant_uid,
        "imp_uid": None,
        "schedule_at": SECONDS,
        "executed_at": 0,
        "revoked_at": 0,
        "amount": 9900,
        "currency": "KRW",
        "name": "월간 구독",
        "schedule_status": "scheduled",
        "payment_status": None,
        "fail_reason": None,
    }
    return shown | changes


def said(status: int, response: Any, code: int = 0, message: str | None = None) -> Answer:
    return Answer(status, body(envelope(response, code, message)))


def refused(message: str, status: int = 200, response: Any = None) -> Answer:
    return said(status, response, 1, message)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in row().items() if key != name}


@pytest.mark.parametrize(
    "answer",
    [
        said(200, [row()]),
        said(200, [without("customer_uid")]),
        said(200, [without("currency")]),
        said(200, [row(customer_uid=None, currency=None, amount="9900", schedule_at=str(SECONDS))]),
        said(200, [row(amount=9900.0, new_field={"a": [1]})]),
    ],
)
def test_a_row_that_is_what_was_asked_for_is_registered(answer: Answer) -> None:
    found = registration_of(WANTED, answer, keep)
    assert isinstance(found, Registered), found
    assert REQUEST.merchant_uid in found.evidence.body


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"merchant_uid": "another"}, "merchant_uid"),
        ({"customer_uid": "another"}, "customer_uid"),
        ({"amount": 9901}, "amount"),
        ({"amount": "99", "currency": "USD"}, "currency"),
        ({"schedule_at": SECONDS + 1}, "schedule_at"),
        ({"schedule_status": "executed"}, "schedule_status"),
        ({"schedule_status": "revoked"}, "schedule_status"),
        ({"schedule_status": "settling"}, "schedule_status"),
    ],
)
def test_a_row_that_differs_is_unknown_and_alarming(changes: dict[str, Any], field: str) -> None:
    found = registration_of(WANTED, said(200, [row(**changes)]), keep)
    assert isinstance(found, Unknown)
    assert found.alarming
    assert field in found.reason
    assert REQUEST.customer_uid not in found.reason


@pytest.mark.parametrize("message", [NO_KEY, MISSING, PAST])
def test_only_known_refusals_prove_that_nothing_is_registered(message: str) -> None:
    assert isinstance(registration_of(WANTED, refused(message), keep), NotRegistered)
    for status in (201, 400, 404, 500, 502):
        assert isinstance(registration_of(WANTED, refused(message, status), keep), Unknown)
    held = registration_of(WANTED, refused(message, 200, [row()]), keep)
    assert isinstance(held, Unknown)


def test_a_merchant_uid_that_was_scheduled_before_says_so() -> None:
    for answer in (refused(TWICE), refused("이미 주문이 이루어진 건입니다."), refused(TWICE, 400)):
        found = registration_of(WANTED, answer, keep)
        assert isinstance(found, Unknown)
        assert (found.duplicate, found.alarming) == (True, False)


@pytest.mark.parametrize(("status", "trouble"), [(401, Trouble.UNAUTHORIZED), (429, Trouble.SERVER_ERROR)])
def test_portones_own_401_and_429_had_no_effect(status: int, trouble: Trouble) -> None:
    answer = said(status, None, -1, UNAUTHORIZED)
    for found in (registration_of(WANTED, answer, keep), revocation_of("card_1", "m1", answer, keep)):
        assert isinstance(found, Failed)
        assert found.trouble is trouble
    for foreign in (Answer(status, b"<html>"), said(status, [row()])):
        assert isinstance(registration_of(WANTED, foreign, keep), Unknown)


HOSTILE = [
    Answer(200, b""),
    Answer(200, b"<html>"),
    Answer(200, b"\xff"),
    Answer(200, b'{"code":0,"message":null,"response":[{"merch'),
    Answer(200, b'{"code":0,"response":' + b"[" * 100_000),
    said(200, None),
    said(200, []),
    said(200, {}),
    said(200, row()),
    said(200, [None]),
    said(200, [[row()]]),
    said(200, [row(), row()]),
    said(200, [row(), row(merchant_uid="another")]),
    said(200, {"total": 1, "previous": 0, "next": 0, "list": [row()]}),
    *(said(200, [without(name)]) for name in ("merchant_uid", "schedule_at", "amount", "schedule_status")),
    said(200, [row(amount=9900.5)]),
    said(200, [row(amount="1e4")]),
    said(200, [row(amount=-9900)]),
    said(200, [row(amount=True)]),
    said(200, [row(currency="WON")]),
    said(200, [row(schedule_at=0)]),
    said(200, [row(schedule_at=1.5)]),
    said(200, [row(schedule_at=10**14)]),
    said(200, [row(customer_uid=["card_1"])]),
    said(200, [row(imp_uid="../users/getToken")]),
    said(200, [row(schedule_status=None)]),
    said(200, None, 1, "무엇인가 잘못되었습니다"),
    said(200, None, -1, "[8995] 결제기관 시스템 통신오류"),
    said(200, [row()], 1, "무엇인가"),
    said(201, [row()]),
    said(404, [row()]),
    said(500, [row()]),
    said(502, None, -1, "Internal Server Error"),
    Answer(200, b'{"code":0,"code":0,"response":[]}'),
]


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
def test_any_other_answer_is_unknown_and_no_alarm(answer: Answer) -> None:
    found = registration_of(WANTED, answer, keep)
    assert isinstance(found, Unknown)
    assert (found.alarming, found.duplicate) == (False, False)
    assert found.evidence is not None
    assert isinstance(revocation_of("card_1", REQUEST.merchant_uid, answer, keep), Unknown)


def test_trouble_of_the_gateway_is_named() -> None:
    for answer in (Answer(502, b"<html>"), said(503, None, -1, "Internal Server Error")):
        found = registration_of(WANTED, answer, keep)
        assert isinstance(found, Unknown)
        assert found.trouble is Trouble.SERVER_ERROR


def revoked(**changes: Any) -> dict[str, Any]:
    return row(schedule_status="revoked", revoked_at=SECONDS - 60) | changes


@pytest.mark.parametrize("rows", [[revoked()], [revoked(), revoked()], [revoked(customer_uid=None)]])
def test_rows_that_are_all_revoked_are_a_revocation(rows: list[dict[str, Any]]) -> None:
    found = revocation_of("card_1", REQUEST.merchant_uid, said(200, rows), keep)
    assert isinstance(found, Revoked), found


@pytest.mark.parametrize(
    ("rows", "alarming"),
    [
        ([revoked(), row()], False),
        ([revoked(revoked_at=0)], False),
        ([revoked(revoked_at=None)], False),
        ([revoked(schedule_status="executed")], False),
        ([], False),
        ([revoked(), revoked(merchant_uid="another")], True),
        ([revoked(merchant_uid="another")], True),
        ([revoked(customer_uid="another")], True),
    ],
)
def test_any_other_rows_are_no_revocation(rows: list[dict[str, Any]], alarming: bool) -> None:  # noqa: FBT001 - a table
    found = revocation_of("card_1", REQUEST.merchant_uid, said(200, rows), keep)
    assert isinstance(found, Unknown)
    assert found.alarming is alarming


def test_nothing_to_revoke_is_unknown_with_that_reason() -> None:
    found = revocation_of("card_1", REQUEST.merchant_uid, refused(NOTHING), keep)
    assert isinstance(found, Unknown)
    assert "nothing to revoke" in found.reason


def test_one_schedule_is_read_in_every_state() -> None:
    ran = row(schedule_status="executed", imp_uid="imp_123456789012", executed_at=SECONDS, fail_reason="한도초과")
    found = reading_of(REQUEST.merchant_uid, said(200, ran), keep).schedule
    assert found is not None
    assert (found.status, found.imp_uid, found.fail_reason) == (ShownStatus.EXECUTED, "imp_123456789012", "한도초과")
    assert (found.at, found.money, found.name) == (AT, Money(9900, "KRW"), "월간 구독")
    assert REQUEST.customer_uid not in repr(found)
    dollars = reading_of(REQUEST.merchant_uid, said(200, row(amount=19.99, currency="USD")), keep).schedule
    assert dollars is not None
    assert dollars.money == Money(1999, "USD")
    odd = reading_of(REQUEST.merchant_uid, said(200, row(schedule_status="paused")), keep).schedule
    assert odd is not None
    assert odd.status is ShownStatus.UNRECOGNISED


def test_portones_own_404_is_no_schedule_and_everything_else_is_trouble() -> None:
    nothing = reading_of("m1", refused("존재하지 않는 예약결제정보입니다.", 404), keep)
    assert (nothing.schedule, nothing.trouble) == (None, None)
    for answer in (
        Answer(404, b"<html>"),
        said(404, row()),
        said(200, row(merchant_uid="another")),
        refused("존재하지 않는 예약결제정보입니다."),
        said(401, None, -1, UNAUTHORIZED),
        *(one for one in HOSTILE if one.body != body(envelope(row()))),
    ):
        found = reading_of(REQUEST.merchant_uid, answer, keep)
        assert found.schedule is None
        assert found.trouble


class Books:
    """PortOne's lists over rows that may change between two pages: as pages, or as bare arrays."""

    def __init__(self, count: int, *, shape: str, size: int = schedules.PAGE_SIZE) -> None:
        self.rows = [row(merchant_uid=f"order{number}", schedule_at=SECONDS + number) for number in range(count)]
        self.shape, self.size = shape, size
        self.asked: list[str] = []
        self.instead: dict[int, Result] = {}

    def __call__(self, call: Call, also_secret: Any = ()) -> Result:  # noqa: ARG002 - as Ask
        self.asked.append(call.path)
        if len(self.asked) in self.instead:
            return self.instead[len(self.asked)]
        query = dict(pair.split("=") for pair in call.path.partition("?")[2].split("&"))
        start, end = (int(query.get(name) or query[f"schedule_{name}"]) for name in ("from", "to"))
        page, found = int(query["page"]), [one for one in self.rows if start <= one["schedule_at"] < end][::-1]
        part = found[(page - 1) * self.size : page * self.size]
        if self.shape == "array":
            return said(200, part)
        if self.shape == "unpaged":
            return said(200, found)
        following = page + 1 if page * self.size < len(found) else 0
        return said(200, {"total": len(found), "previous": page - 1, "next": following, "list": part})


def listed(books: Books, days: int = 1) -> ScheduleListing:
    return schedules.between(books, AT, AT + timedelta(days=days))


@pytest.mark.parametrize("shape", ["pages", "array", "unpaged"])
@pytest.mark.parametrize("count", [0, 1, schedules.PAGE_SIZE, schedules.PAGE_SIZE + 1, 2 * schedules.PAGE_SIZE + 7])
def test_every_page_is_turned(count: int, shape: str) -> None:
    books = Books(count, shape=shape)
    found = listed(books)
    assert (len(found.schedules), found.trouble, found.unreadable) == (count, None, ())
    assert len({each.merchant_uid for each in found.schedules}) == count


@pytest.mark.parametrize("status", [400, 404])
def test_an_array_may_end_with_a_page_that_does_not_exist(status: int) -> None:
    books = Books(3, shape="array")
    books.instead[2] = refused("page", status)
    found = listed(books)
    assert (len(found.schedules), found.trouble) == (3, None)


BROKEN = [
    Answer(500, b"<html>"),
    said(200, None),
    said(200, 5),
    said(200, {"total": 1, "next": 0, "list": 5}),
    said(200, {"next": 0, "list": []}),
    said(200, [], -1, "x"),
    said(200, [row()] * 1001),
    NoAnswer("timeout"),
    NotSent("no token"),
]


@pytest.mark.parametrize("shape", ["pages", "array"])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_page_that_cannot_be_read_is_trouble(broken: Result, number: int, shape: str) -> None:
    books = Books(300, shape=shape)
    books.instead[number] = broken
    found = listed(books)
    assert found.trouble
    assert len(found.schedules) == (200 if number == 2 else 0)


@pytest.mark.parametrize("second", [said(200, {"total": 300, "next": 0, "list": []}), refused("page", 400)])
def test_fewer_than_announced_is_trouble(second: Answer) -> None:
    books = Books(300, shape="pages")
    books.instead[2] = second
    assert "300 were announced" in str(listed(books).trouble)


def test_pages_that_do_not_end_are_trouble() -> None:
    books = Books(300, shape="pages")
    books.instead[2] = said(200, {"total": 300, "next": 2, "list": []})
    assert "do not end" in str(listed(books).trouble)
    books = Books(1, shape="array", size=1)
    fresh = iter(range(10**6))
    books.rows = []

    def endless(_call: Call, also_secret: Any = ()) -> Result:  # noqa: ARG001 - as Ask
        return said(200, [row(merchant_uid=f"order{next(fresh)}")])

    assert "do not end" in str(schedules.between(endless, AT, AT + timedelta(days=1)).trouble)


def test_a_long_span_is_read_in_parts_of_less_than_three_months() -> None:
    books = Books(0, shape="pages")
    books.rows = [row(merchant_uid=f"d{day}", schedule_at=SECONDS + day * 86_400) for day in range(0, 400, 8)]
    found = listed(books, days=365)
    assert {each.merchant_uid for each in found.schedules} == {f"d{day}" for day in range(0, 365, 8)}
    bounds = [tuple(int(part.split("=")[1]) for part in path.partition("?")[2].split("&")[:2]) for path in books.asked]
    assert bounds[0][0] == SECONDS
    assert bounds[-1][1] == SECONDS + 365 * 86_400
    assert all(one[1] == other[0] for one, other in itertools.pairwise(bounds))
    assert max(end - start for start, end in bounds) <= 89 * 86_400


def test_a_span_is_half_open_also_between_seconds() -> None:
    books = Books(3, shape="pages")
    half = timedelta(milliseconds=500)
    found = schedules.between(books, AT + half, AT + timedelta(seconds=1) + half)
    assert [each.merchant_uid for each in found.schedules] == ["order1"]
    assert schedules.between(books, AT, AT) == ScheduleListing()
    books.instead[2] = said(200, {"total": 2, "next": 0, "list": [row(), row(merchant_uid="x", schedule_at=1)]})
    assert [each.merchant_uid for each in listed(books).schedules] == [REQUEST.merchant_uid]


@pytest.mark.parametrize("shape", ["pages", "array"])
def test_a_row_that_cannot_be_read_is_named_and_hides_no_other(shape: str) -> None:
    books = Books(4, shape=shape)
    books.rows[1]["amount"] = 0.5
    books.rows[2]["merchant_uid"] = None
    found = listed(books)
    assert {each.merchant_uid for each in found.schedules} == {"order0", "order3"}
    assert found.trouble is None
    told = {(each.merchant_uid, each.customer_uid, each.may_run) for each in found.unreadable}
    assert told == {("order1", "card_1", True), ("", "card_1", True)}
    assert all(each.problem for each in found.unreadable)


@pytest.mark.parametrize(
    ("shown", "may_run"), [("scheduled", True), ("revoked", False), ("executed", False), ("halted", True), (7, True)]
)
def test_an_unreadable_row_may_run_unless_it_shows_that_it_is_over(shown: object, *, may_run: bool) -> None:
    books = Books(1, shape="array")
    books.rows[0] |= {"amount": 0.5, "schedule_status": shown}
    assert [each.may_run for each in listed(books).unreadable] == [may_run]


def test_two_different_rows_of_one_order_are_told() -> None:
    books = Books(2, shape="array")
    books.rows[1] = books.rows[0] | {"schedule_status": "revoked"}
    assert [(each.merchant_uid, each.customer_uid, each.may_run) for each in listed(books).unreadable] == [
        ("order0", "card_1", True)
    ]
    books.rows[1] = books.rows[0] | {"customer_uid": "another"}
    assert {each.customer_uid for each in listed(books).unreadable} == {"card_1", "another"}


def test_a_schedule_of_another_key_is_trouble() -> None:
    books = Books(3, shape="pages", size=20)
    mine = schedules.of_key(books, "card_1", AT, AT + timedelta(days=1))
    assert (len(mine.schedules), mine.trouble) == (3, None)
    assert books.asked[0].startswith("/subscribe/customers/card_1/schedules?from=")
    books.rows[1]["customer_uid"] = "another"
    for amount in (9900, 0.5):
        books.rows[1]["amount"] = amount
        strange = schedules.of_key(books, "card_1", AT, AT + timedelta(days=1))
        assert strange.schedules == ()
        assert "another customer_uid" in str(strange.trouble)
    assert schedules.of_key(books, "not one", AT, AT + timedelta(days=1)).trouble


def test_the_item_carries_what_again_carries(portone: Any) -> None:
    gateway, server = portone(always(200, envelope([row()])))
    options = PaymentOptions(
        tax_free=100, vat_amount=800, card_quota=3, custom_data="x", notice_url="https://a.example"
    )
    charge = ChargeRequest(
        REQUEST.merchant_uid,
        REQUEST.customer_uid,
        REQUEST.money,
        "월간 구독",
        "nice_v2",
        options,
        "홍길동",
        "gildong@example.com",
        "010-1234-5678",
    )
    assert isinstance(gateway.register_schedule(ScheduleRequest(charge, AT)), Registered)
    gateway.charge(charge)
    scheduled, charged = (seen.fields for seen in server.seen if seen.path != "/users/getToken")
    assert scheduled["customer_uid"] == charged.pop("customer_uid") == REQUEST.customer_uid
    assert scheduled["schedules"] == [charged | {"schedule_at": SECONDS}]
    assert set(scheduled) == {"customer_uid", "schedules"}


def test_paymentwall_and_dollars_are_scheduled_as_they_are_charged(portone: Any) -> None:
    wanted = ChargeRequest("test1pw1", "card_1", Money(1999, "USD"), "plan", "paymentwall")
    gateway, server = portone(
        always(200, envelope([row(merchant_uid="test1pw1", amount=19.99, currency="USD")])),
        browser_ip="203.0.113.9",
        product_type="digital",
    )
    assert isinstance(gateway.register_schedule(ScheduleRequest(wanted, AT)), Registered)
    (item,) = server.seen[-1].fields["schedules"]
    assert (item["amount"], item["currency"], item["browser_ip"]) == (19.99, "USD", "203.0.113.9")


def test_a_time_between_two_seconds_is_the_later_one(portone: Any) -> None:
    gateway, server = portone(always(200, envelope([row(schedule_at=SECONDS + 1)])))
    wanted = ScheduleRequest(REQUEST, AT + timedelta(microseconds=1))
    assert isinstance(gateway.register_schedule(wanted), Registered)
    assert server.seen[-1].fields["schedules"][0]["schedule_at"] == SECONDS + 1


def test_what_cannot_be_a_request_is_not_sent(portone: Any) -> None:
    gateway, server = portone(always(200, envelope([row()])))
    long = ChargeRequest("x" * 41, "card_1", REQUEST.money, "plan", "nice_v2")
    for found in (
        gateway.register_schedule(ScheduleRequest(long, AT)),
        gateway.revoke_schedule("card 1", "m1"),
        gateway.revoke_schedule("card_1", ""),
    ):
        assert isinstance(found, Failed)
        assert found.reason.startswith("not sent")
    assert gateway.read_schedule("../getToken").trouble
    assert server.seen == []


def test_a_revocation_always_names_the_key_and_the_order(portone: Any) -> None:
    gateway, server = portone(always(200, envelope([revoked()])))
    assert isinstance(gateway.revoke_schedule("card_1", REQUEST.merchant_uid), Revoked)
    assert server.seen[-1].fields == {"customer_uid": "card_1", "merchant_uid": [REQUEST.merchant_uid]}


def test_a_401_is_sent_once_more_and_no_other_answer_is(portone: Any) -> None:
    answers = iter([(401, envelope(None, -1, UNAUTHORIZED)), (200, envelope([row()])), (502, "<html>")])

    def script(_: Seen, wire: Wire) -> None:
        wire.answer(*next(answers))

    gateway, server = portone(with_token(script))
    assert isinstance(gateway.register_schedule(WANTED), Registered)
    assert isinstance(gateway.register_schedule(WANTED), Unknown)
    assert sum(seen.path == SCHEDULE for seen in server.seen) == 3


def test_a_lost_answer_is_unknown_and_its_half_is_kept(portone: Any) -> None:
    def script(_: Seen, wire: Wire) -> None:
        half = json.dumps(envelope([row()])).encode()[:60]
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + half)
        wire.close()

    gateway, _ = portone(with_token(script))
    for found in (gateway.register_schedule(WANTED), gateway.revoke_schedule("card_1", REQUEST.merchant_uid)):
        assert isinstance(found, Unknown)
        assert found.trouble is Trouble.NO_ANSWER
        assert isinstance(found.evidence, Evidence)
    assert gateway.read_schedule(REQUEST.merchant_uid).trouble


def test_evidence_is_masked(portone: Any) -> None:
    shown = row(buyer_email="gildong@example.com", custom_data="4242424242424242")
    gateway, _ = portone(always(200, envelope([shown])))
    found = gateway.register_schedule(WANTED)
    assert isinstance(found, Registered)
    assert "4242424242424242" not in found.evidence.body
    assert "gildong@" not in found.evidence.body
    assert found.evidence.request == f"POST {SCHEDULE}"
