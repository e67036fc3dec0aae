"""PortOne's list of all payments over a span of time, page by page, while the list changes.

The list sorts a payment by the time of its status (V1 spec). A payment that is cancelled during the read leaves the
span, and later ones move forward, perhaps onto a page that was already read. If the announced total changes, or a page
is gone, the read goes back far enough to find them. That shows some payments twice and hides none.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import ceil

import simplejson

from billing_worker.adapters.masking import storable
from billing_worker.adapters.portone import requests
from billing_worker.adapters.portone.answers import Keep, is_refusal
from billing_worker.adapters.portone.asking import Ask, Record
from billing_worker.adapters.portone.client import Answer, Result
from billing_worker.adapters.portone.envelope import (
    NotUnderstood,
    OnTestChannel,
    read_envelope,
    read_integer,
    read_payment,
)
from billing_worker.domain.payment import GatewayPayment
from billing_worker.ports.outside import Sheet, Unreadable

OK, BAD_REQUEST, NOT_FOUND = 200, 400, 404

PAGE_SIZE = 200
"""The spec allows 1,000. An answer is capped at 1 MiB, so each payment has 5 KB, of which it needs 2."""

MOST_PAGES = 5_000
"""A million payments in one span: far above a day of any merchant, far below an endless loop."""

MOST_STEPS_BACK = 50
"""A list that changes more often than this while it is read is read again later."""


LIST_CALL = requests.Call("GET", "/payments/status/all")
"""The name of that list in the evidence of a single row."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page; `gone` when the gateway says that there is no such page (any more)."""

    payments: tuple[GatewayPayment, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    next_page: int | None = None
    total: int = 0
    gone: bool = False


def between(
    ask: Ask, record: Record, start: datetime, end: datetime, *, test_channels: bool = False
) -> Iterator[Sheet]:
    """All pages of this span, each read on demand. Bounds between two seconds are widened."""
    first, last = int(start.timestamp()), ceil(end.timestamp())

    def page(number: int) -> Result:
        return ask(requests.payments_between(first, last, number, PAGE_SIZE, include_sandbox=test_channels))

    def keep(answer: Answer) -> Keep:
        return lambda body: record(LIST_CALL, answer.status, body)

    return sheets(page, keep, test_channels=test_channels)


def sheets(
    ask: Callable[[int], Result], keep: Callable[[Answer], Keep], *, test_channels: bool = False
) -> Iterator[Sheet]:
    """Read all pages. Ends after a sheet with trouble: the span was then not read as a whole."""
    number, announced, back = 1, None, 0
    while True:
        result = ask(number)
        if not isinstance(result, Answer):
            yield Sheet(trouble=result.reason)
            return
        try:
            page = list_page(result, number, keep(result), test_channels=test_channels)
        except NotUnderstood as trouble:
            yield Sheet(trouble=str(trouble))
            return
        yield Sheet(page.payments, page.unreadable)
        moved = page.gone or (announced is not None and page.total != announced)
        if moved and number > 1:
            back += 1
            lost = 1 if page.gone else max((announced or 0) - page.total, 0) // PAGE_SIZE + 1
            # A page that is gone does not show by how much the list shrank; the previous one does.
            number, announced = max(1, number - lost), announced if page.gone else page.total
        elif page.next_page is None:
            return
        else:
            if page.next_page != number + 1:
                yield Sheet(trouble=f"the pages do not end: {page.next_page} follows {number}")
                return
            number, announced = page.next_page, page.total
        if back > MOST_STEPS_BACK or number > MOST_PAGES:
            yield Sheet(trouble=f"the list did not come to an end by page {number}")
            return


def list_page(answer: Answer, number: int, keep: Keep, *, test_channels: bool = False) -> ListPage:
    """One page of the list. Raises NotUnderstood if the answer proves neither payments nor their absence."""
    envelope = read_envelope(answer.body)
    if is_refusal(envelope):
        if answer.status == NOT_FOUND and number == 1:
            return ListPage()
        if answer.status == BAD_REQUEST and number > 1:
            return ListPage(gone=True)
    found = envelope.response
    if answer.status != OK or envelope.code != 0 or not isinstance(found, dict):
        raise NotUnderstood(f"HTTP {answer.status}, code {envelope.code}: no list of payments")
    rows = found.get("list")
    if not isinstance(rows, list):
        raise NotUnderstood("list is not an array")
    following = 0 if found.get("next") is None else read_integer(found, "next")
    payments, unreadable = [], []
    for row in rows:
        try:
            payments.append(read_payment(row, test_channels=test_channels))
        except OnTestChannel:
            continue  # a test in the same account: the books do not need it
        except NotUnderstood as problem:
            unreadable.append(_unreadable(row, str(problem), keep))
    return ListPage(tuple(payments), tuple(unreadable), following or None, read_integer(found, "total"))


def _unreadable(row: object, problem: str, keep: Keep) -> Unreadable:
    """An unreadable row must not hide the others: it is reported with the ids that it shows."""
    named = row if isinstance(row, dict) else {}
    texts = {name: named.get(name) for name in ("imp_uid", "merchant_uid")}
    imp_uid, merchant_uid = (storable(text)[:64] if isinstance(text, str) else "" for text in texts.values())
    try:
        body = simplejson.dumps(row, use_decimal=True, ensure_ascii=False).encode("utf-8", "replace")
    except (RecursionError, ValueError):
        body = b""
    return Unreadable(imp_uid, merchant_uid, problem, keep(body))
