"""PortOne's official description validates every request that the client can make."""

import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_worker.adapters.portone import requests
from billing_worker.adapters.portone.requests import Call
from billing_worker.domain.billing_key import (
    LONGEST_BUYER_EMAIL,
    LONGEST_BUYER_NAME,
    LONGEST_BUYER_TEL,
    LONGEST_CUSTOMER_UID,
)
from billing_worker.domain.card_entry import Card, IssueRequest
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest
from billing_worker.domain.pgs.table import PGS
from billing_worker.domain.refund import RefundRequest
from billing_worker.domain.schedule import ScheduleRequest
from tests.support.portone_description import ALL, DEVIATIONS, complaints_about_request
from tests.support.portone_schemas import OPERATIONS

any_text = st.text(st.characters(), max_size=120)  # half surrogate pairs and NUL too
merchant_uids = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)
imp_uids = st.from_regex(r"imps?_[0-9]{12}", fullmatch=True)
customer_uids = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=LONGEST_CUSTOMER_UID
)
currencies = st.sampled_from(["KRW", "USD", "JPY", "KWD", "EUR"])
amounts = st.integers(1, 10**12)
pages, unix_times, flags = st.integers(1, 10**6), st.integers(0, 10**11), st.booleans()


def texts(longest: int) -> st.SearchStrategy[str | None]:
    return st.none() | st.text(st.characters(), min_size=1, max_size=longest)


charges = st.builds(
    ChargeRequest,
    merchant_uid=merchant_uids,
    customer_uid=customer_uids,
    money=st.builds(Money, amounts, currencies),
    name=any_text,
    pg_provider=st.sampled_from([*PGS, "a_pg_of_tomorrow"]),
    buyer_name=texts(LONGEST_BUYER_NAME),
    buyer_email=texts(LONGEST_BUYER_EMAIL),
    buyer_tel=texts(LONGEST_BUYER_TEL),
)


unkept = charges.map(lambda request: replace(request, customer_uid=""))
cards = st.builds(
    Card.entered,
    st.from_regex(r"[0-9]{4}([ -]?[0-9]{4}){3}", fullmatch=True),
    st.from_regex(r"20[3-9][0-9]-(0[1-9]|1[0-2])", fullmatch=True),
    birth=st.sampled_from([None, "880301", "000000", "1234567890"]),
    pwd_2digit=st.none() | st.from_regex(r"[0-9]{2}", fullmatch=True),
    real_now=st.just(datetime(2026, 1, 1, tzinfo=UTC)),
)
issues = st.builds(
    IssueRequest,
    customer_uid=customer_uids,
    pg_provider=st.sampled_from([*PGS]),
    card=cards,
    channel_key=texts(55),
    customer_id=texts(50),
    buyer_name=texts(LONGEST_BUYER_NAME),
    buyer_email=texts(LONGEST_BUYER_EMAIL),
    buyer_tel=texts(LONGEST_BUYER_TEL),
)


@st.composite
def refunds(draw: st.DrawFn) -> RefundRequest:
    currency, balance = draw(currencies), draw(amounts)
    money = Money(draw(st.integers(1, balance)), currency)
    return RefundRequest(draw(imp_uids), draw(merchant_uids), money, Money(balance, currency), draw(any_text))


MAKERS: dict[Callable[..., Call], st.SearchStrategy[Call]] = {
    requests.get_token: st.builds(requests.get_token, any_text, any_text),
    requests.again: st.builds(
        requests.again, charges, st.ip_addresses().map(str), st.none() | st.sampled_from(["real", "digital"])
    ),
    requests.cancel: st.builds(requests.cancel, refunds()),
    requests.onetime: st.builds(
        requests.onetime, charges | unkept, cards, st.ip_addresses().map(str), st.none() | st.sampled_from(["real"])
    ),
    requests.issue: st.builds(requests.issue, issues),
    requests.delete: st.builds(requests.delete, customer_uids, any_text, st.none() | any_text),
    requests.payment: st.builds(requests.payment, imp_uids, include_sandbox=flags),
    requests.payments_of: st.builds(requests.payments_of, merchant_uids, pages, include_sandbox=flags),
    requests.payments_of_key: st.builds(requests.payments_of_key, customer_uids, pages, include_sandbox=flags),
    requests.payments_between: st.builds(
        requests.payments_between, unix_times, unix_times, pages, st.integers(1, 1000), include_sandbox=flags
    ),
    requests.schedule: st.builds(
        requests.schedule,
        st.builds(ScheduleRequest, charges, st.datetimes(datetime(2020, 1, 1), timezones=st.just(UTC))),  # noqa: DTZ001
        st.ip_addresses().map(str),
        st.none() | st.sampled_from(["real", "digital"]),
    ),
    requests.unschedule: st.builds(requests.unschedule, customer_uids, merchant_uids),
    requests.scheduled: st.builds(requests.scheduled, merchant_uids),
    requests.schedules_of_key: st.builds(requests.schedules_of_key, customer_uids, unix_times, unix_times, pages),
    requests.schedules_between: st.builds(
        requests.schedules_between, unix_times, unix_times, pages, st.integers(1, 1000)
    ),
    requests.customer: st.builds(requests.customer, customer_uids),
}
CHARGE = ChargeRequest("m1", "card", Money(8900, "KRW"), "구독", "nice_v2")


def test_every_maker_of_a_request_is_here() -> None:
    makers = {
        function
        for name, function in inspect.getmembers(requests, inspect.isfunction)
        if not name.startswith("_") and get_type_hints(function).get("return") is Call
    }
    assert makers == set(MAKERS)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_the_description_has_no_complaint_about_any_request(maker: Callable[..., Call]) -> None:
    made: list[Call] = []

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
    @given(st.data())
    def check(data: st.DataObject) -> None:
        try:
            call = data.draw(MAKERS[maker])
        except InvalidInput:
            return  # refused here, and never sent
        made.append(call)
        assert complaints_about_request(call) == []

    check()
    assert len(made) > 20


@pytest.mark.parametrize("field", ["customer_uid", "merchant_uid", "amount", "name"])
def test_the_judge_misses_what_is_required(field: str) -> None:
    call = requests.again(CHARGE, "203.0.113.7")
    body = json.loads(call.body or b"")
    del body[field]
    assert complaints_about_request(Call(call.method, call.path, json.dumps(body).encode()))


@pytest.mark.parametrize("changes", [{"amount": "8900"}, {"name": "가" * 41}, {"buyer": "x"}, {"product_type": "good"}])
def test_the_judge_notices_what_is_wrong(changes: dict[str, object]) -> None:
    call = requests.again(CHARGE, "203.0.113.7")
    body = json.dumps(json.loads(call.body or b"") | changes).encode()
    assert complaints_about_request(Call(call.method, call.path, body))
    assert complaints_about_request(Call("PATCH", call.path, call.body))


@pytest.mark.parametrize("deviation", [name for name in DEVIATIONS if name.startswith("include_sandbox")])
def test_each_deviation_is_still_needed(deviation: str) -> None:
    """The day that the description names `include_sandbox` there, its row goes."""
    with_it = [
        requests.payments_of("m1", 1, include_sandbox=True),
        requests.payments_of_key("card", 1, include_sandbox=True),
        requests.payments_between(1, 2, 1, 100, include_sandbox=True),
    ]
    assert any(complaints_about_request(call, ALL - {deviation}) for call in with_it)
    assert deviation.removeprefix("include_sandbox: ") in OPERATIONS


def test_a_key_may_be_issued_without_the_channel() -> None:
    """The description of today requires it, and copies of it in public clients do not know it."""
    deviation = "channel_key may be missing"
    card = Card.entered("4242424242424242", "2031-04", birth=None, pwd_2digit=None, real_now=datetime.now(UTC))
    call = requests.issue(IssueRequest("card", "nice_v2", card))
    assert complaints_about_request(call) == []
    assert complaints_about_request(call, ALL - {deviation})
