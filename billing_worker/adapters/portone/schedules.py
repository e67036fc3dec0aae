"""The calls with which PortOne charges a key by itself, at a time. Nothing here raises."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from math import ceil

from billing_worker.adapters.portone import requests
from billing_worker.adapters.portone.asking import Ask, Record
from billing_worker.adapters.portone.client import Answer, NoAnswer, NotSent
from billing_worker.adapters.portone.envelope import NotUnderstood
from billing_worker.adapters.portone.schedule_answers import page_of, reading_of, registration_of, revocation_of
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.payment import Failed, Trouble, Unknown
from billing_worker.domain.schedule import (
    GatewaySchedule,
    RegisterAnswer,
    RevokeAnswer,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
    UnreadableSchedule,
)

LONGEST_SPAN = 88 * 86_400
"""Seconds of one list. PortOne takes three months, and the shortest three have 89 days."""

PAGE_SIZE = 200
"""Schedules per page; the specification allows 1,000, a body of 200 stays far below the size cap."""

MOST_PAGES = 1_000
"""200,000 schedules in one span: far above any merchant, far below an endless loop."""


def register(
    ask: Ask, record: Record, request: ScheduleRequest, browser_ip: str, product_type: str | None
) -> RegisterAnswer:
    """Register one charge for later, with one call."""
    try:
        call = requests.schedule(request, browser_ip, product_type)
    except InvalidInput as error:
        return Failed(f"not sent: {error}")
    match ask(call):
        case NotSent(reason, trouble):
            return Failed(f"not sent: {reason}", trouble=trouble)
        case NoAnswer(reason, head):
            return Unknown(f"no answer: {reason}", record(call, None, head), trouble=Trouble.NO_ANSWER)
        case Answer() as answer:
            return registration_of(request, answer, lambda body: record(call, answer.status, body))


def revoke(ask: Ask, record: Record, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
    """Take one schedule back, with one call."""
    try:
        call = requests.unschedule(customer_uid, merchant_uid)
    except InvalidInput as error:
        return Failed(f"not sent: {error}")
    match ask(call):
        case NotSent(reason, trouble):
            return Failed(f"not sent: {reason}", trouble=trouble)
        case NoAnswer(reason, head):
            return Unknown(f"no answer: {reason}", record(call, None, head), trouble=Trouble.NO_ANSWER)
        case Answer() as answer:
            return revocation_of(customer_uid, merchant_uid, answer, lambda body: record(call, answer.status, body))


def read(ask: Ask, record: Record, merchant_uid: str) -> ScheduleReading:
    """One schedule, read with one call."""
    try:
        call = requests.scheduled(merchant_uid)
    except InvalidInput as error:
        return ScheduleReading(trouble=str(error))
    match ask(call):
        case NotSent(reason):
            return ScheduleReading(trouble=reason)
        case NoAnswer(reason, head):
            return ScheduleReading(trouble=reason, evidence=record(call, None, head))
        case Answer() as answer:
            return reading_of(merchant_uid, answer, lambda body: record(call, answer.status, body))


def of_key(ask: Ask, customer_uid: str, start: datetime, end: datetime) -> ScheduleListing:
    """All schedules of a key in this span, 20 on a page. A schedule of another key is trouble."""
    listing = _spanned(
        ask, lambda first, last, page: requests.schedules_of_key(customer_uid, first, last, page), start, end
    )
    whose = {found.customer_uid for found in listing.schedules} | {row.customer_uid for row in listing.unreadable}
    if whose - {"", customer_uid}:
        return ScheduleListing(trouble="the gateway answered with schedules of another customer_uid")
    return listing


def between(ask: Ask, start: datetime, end: datetime) -> ScheduleListing:
    """All schedules of the account in this span."""
    return _spanned(ask, lambda first, last, page: requests.schedules_between(first, last, page, PAGE_SIZE), start, end)


class _Rows:
    """What was read so far, by order number."""

    def __init__(self) -> None:
        self.found: dict[str, GatewaySchedule] = {}
        self.unreadable: dict[str, UnreadableSchedule] = {}

    def __len__(self) -> int:
        return len(self.found) + len(self.unreadable)

    def add(self, other: "_Rows") -> None:
        """Take in the rows of another span."""
        self.found |= other.found
        self.unreadable |= other.unreadable

    def listing(self, start: datetime, end: datetime, trouble: str | None) -> ScheduleListing:
        """The rows whose time lies in this span."""
        inside = tuple(each for each in self.found.values() if start <= each.at < end)
        return ScheduleListing(inside, tuple(self.unreadable.values()), trouble)


def _spanned(
    ask: Ask, call: Callable[[int, int, int], requests.Call], start: datetime, end: datetime
) -> ScheduleListing:
    """All pages of all parts of a span. A read that ends early shows what it found, and its trouble."""
    rows = _Rows()
    for first, last in _parts(start, end):
        part = _Rows()
        trouble = _turn(ask, partial(call, first, last), part)
        rows.add(part)
        if trouble is not None:
            return rows.listing(start, end, trouble)
    return rows.listing(start, end, None)


def _parts(start: datetime, end: datetime) -> Iterator[tuple[int, int]]:
    """The span in parts that PortOne takes. A schedule has whole seconds: a bound between two is the later one."""
    first, last = ceil(start.timestamp()), ceil(end.timestamp())
    while first < last:
        yield first, min(first + LONGEST_SPAN, last)
        first += LONGEST_SPAN


def _turn(ask: Ask, call: Callable[[int], requests.Call], rows: _Rows) -> str | None:
    """Read all pages of one part into `rows`; what went wrong, if anything did.

    A schedule that is registered during the read shows an older one twice, and hides none. An array has no total: it
    has ended when a page is empty, or repeats what is known.
    """
    number, announced = 1, 0
    while True:
        try:
            result = ask(call(number))
            if not isinstance(result, Answer):
                return result.reason
            page = page_of(result, number)
        except (InvalidInput, NotUnderstood) as trouble:
            return str(trouble)
        before = len(rows)
        rows.found |= page.found
        rows.unreadable |= page.unreadable
        announced = max(announced, page.total or 0)
        is_array = page.total is None
        following = number + 1 if is_array and len(rows) > before else page.next_page
        if following is None:
            break
        if following != number + 1 or number >= MOST_PAGES:
            return f"the pages do not end: {following} follows {number}"
        number = following
    if len(rows) < announced:
        return f"{len(rows)} schedules were found, but {announced} were announced"
    return None
