"""The list of all payments, while it moves under our hands."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from billing_worker.adapters.portone.client import Answer, NoAnswer, Result
from billing_worker.adapters.portone.pages import MOST_PAGES, MOST_STEPS_BACK, PAGE_SIZE, sheets
from billing_worker.domain.payment import Evidence
from billing_worker.ports.outside import Sheet
from tests.support.world import World

Row = dict[str, object]


def row(number: int, **changed: object) -> Row:
    return {
        "imp_uid": f"imp_{number:06d}",
        "merchant_uid": f"order{number}",
        "amount": 1000,
        "currency": "KRW",
        "status": "paid",
    } | changed


class Books:
    """PortOne's paging over rows that may change between two pages."""

    def __init__(self, count: int) -> None:
        self.rows = [row(number) for number in range(count)]
        self.asked: list[int] = []
        self.before: dict[int, object] = {}
        """What happens just before the n-th call."""

    def __call__(self, page: int) -> Result:
        self.asked.append(page)
        change = self.before.pop(len(self.asked), None)
        if callable(change):
            change()
        first = (page - 1) * PAGE_SIZE
        if first and first >= len(self.rows):
            return Answer(400, b'{"code": 1, "message": "page", "response": null}')
        part = self.rows[first : first + PAGE_SIZE]
        following = page + 1 if first + PAGE_SIZE < len(self.rows) else 0
        found = {"total": len(self.rows), "previous": page - 1, "next": following, "list": part}
        return Answer(200, json.dumps({"code": 0, "message": None, "response": found}).encode())


def read(books: Books) -> tuple[list[Sheet], set[str]]:
    found = list(sheets(books, lambda answer: lambda body: Evidence("portone", "list", answer.status, body.decode())))
    return found, {payment.imp_uid for sheet in found for payment in sheet.payments}


def test_what_was_tried_out_on_a_test_channel_is_no_payment_and_hides_none() -> None:
    books = Books(3)
    books.rows[1]["sandbox"] = True
    found, seen = read(books)
    assert seen == {"imp_000000", "imp_000002"}
    assert not any(sheet.trouble or sheet.unreadable for sheet in found)


@pytest.mark.parametrize("count", [0, 1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE])
def test_every_page_is_turned_and_none_beyond_the_last(count: int) -> None:
    books = Books(count)
    found, seen = read(books)
    assert len(seen) == count
    assert all(sheet.trouble is None for sheet in found)
    assert books.asked == list(range(1, max(1, -(-count // PAGE_SIZE)) + 1))


def test_a_payment_that_leaves_the_span_meanwhile_hides_no_other() -> None:
    books = Books(3 * PAGE_SIZE + 50)
    books.before[3] = lambda: books.rows.pop(10)  # cancelled: its time is another one now
    found, seen = read(books)
    assert len(seen) == 3 * PAGE_SIZE + 50
    assert found[-1].trouble is None
    assert books.asked == [1, 2, 3, 2, 3, 4]


def test_many_that_leave_at_once_are_followed_back_far_enough() -> None:
    books = Books(5 * PAGE_SIZE)
    books.before[4] = lambda: books.rows.__delitem__(slice(0, 2 * PAGE_SIZE))
    _, seen = read(books)
    assert len(seen) == 5 * PAGE_SIZE


def test_a_last_page_that_vanished_is_no_end() -> None:
    books = Books(PAGE_SIZE + 1)
    books.before[2] = lambda: books.rows.pop(0)
    found, seen = read(books)
    assert len(seen) == PAGE_SIZE + 1
    assert found[-1].trouble is None


def test_a_list_that_never_rests_is_trouble_and_no_endless_loop() -> None:
    books = Books(4 * PAGE_SIZE)
    for call in range(2, 10_000, 2):
        books.before[call] = lambda: books.rows.append(row(len(books.rows) + 10**5))
    found, _ = read(books)
    assert found[-1].trouble is not None
    assert len(books.asked) <= 3 * MOST_STEPS_BACK + 10


def test_pages_that_do_not_end_are_trouble() -> None:
    def endless(page: int) -> Result:
        following = page if page == 7 else page + 1
        found = {"total": 1, "next": following, "list": []}
        return Answer(200, json.dumps({"code": 0, "response": found}).encode())

    found = list(sheets(endless, lambda _: lambda _body: Evidence("portone", "list", 200, "")))
    assert "do not end" in str(found[-1].trouble)
    assert MOST_PAGES * PAGE_SIZE == 1_000_000


@pytest.mark.parametrize(
    "broken",
    [
        Answer(500, b"<html>"),
        Answer(200, b'{"code": 0, "response": null}'),
        Answer(200, b'{"code": -1, "message": "x", "response": null}'),
        Answer(200, b'{"code": 0, "response": {"total": 1, "next": 0, "list": 5}}'),
        Answer(400, b'{"code": 1, "message": "range", "response": null}'),
        NoAnswer("timeout"),
    ],
)
def test_an_answer_that_is_no_list_is_trouble(broken: Result) -> None:
    found = list(sheets(lambda _: broken, lambda _: lambda _body: Evidence("portone", "list", 200, "")))
    assert [bool(sheet.trouble) for sheet in found] == [True]


def test_a_row_that_cannot_be_read_is_named_and_hides_no_other() -> None:
    books = Books(3)
    books.rows[1] = row(1, amount=0.5)
    books.rows[2] = row(2, imp_uid=7)
    [sheet] = read(books)[0]
    assert [payment.imp_uid for payment in sheet.payments] == ["imp_000000"]
    assert [(each.imp_uid, each.merchant_uid) for each in sheet.unreadable] == [
        ("imp_000001", "order1"),
        ("", "order2"),
    ]
    assert '"amount": 0.5' in sheet.unreadable[0].evidence.body


@pytest.mark.fm("C11")
def test_the_sandbox_shows_every_payment_of_a_span_to_the_last_page(world: World) -> None:
    uid = world.uid()
    count = 2 * PAGE_SIZE + 7
    for number in range(count):
        world.sandbox.control("/operator/pay", merchant_uid=f"{world.environment}n{number}", customer_uid=uid, amount=1)
    now = datetime.now(UTC)
    found = [
        payment.merchant_uid
        for sheet in world.ports.gateway.payments_between(now - timedelta(hours=1), now + timedelta(hours=1))
        for payment in sheet.payments
        if payment.customer_uid == uid
    ]
    assert len(found) == len(set(found)) == count
    early = world.ports.gateway.payments_between(now - timedelta(days=80), now - timedelta(days=1))
    assert all(payment.customer_uid != uid for sheet in early for payment in sheet.payments)
