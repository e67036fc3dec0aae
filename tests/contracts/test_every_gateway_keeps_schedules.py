"""What the port promises about schedules, asked of each adapter, and of V1's lists as pages and as arrays."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest, Failed, Unknown
from billing_worker.domain.schedule import (
    GatewaySchedule,
    NotRegistered,
    Registered,
    Revoked,
    ScheduleReading,
    ScheduleRequest,
    ShownStatus,
)
from tests.contracts.sides import Conduct, Garbled, Side, side_named
from tests.support.sandbox import Sandbox, running_sandbox

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
PRICE = Money(9900, "KRW")
SOON = 5
"""Seconds: enough to register a schedule, and to take it back."""
numbers = count(1)


@pytest.fixture(scope="module")
def arrays() -> Iterator[Sandbox]:
    """A sandbox whose lists are arrays, as PortOne describes them."""
    with running_sandbox(schedule_shape="array") as sandbox:
        yield sandbox


@pytest.fixture(params=["portone v1", "portone v1, arrays", "another"])
def side(request: pytest.FixtureRequest, shared_sandbox: Sandbox, arrays: Sandbox) -> Iterator[Side]:
    name, _, shape = request.param.partition(", ")
    sandbox = arrays if shape else shared_sandbox
    with side_named(name, sandbox) as ready:
        yield ready
    sandbox.forget_rules()


def in_an_hour(seconds: int = 3600) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


def wanted(
    side: Side,
    at: datetime | None = None,
    key: str | None = None,
    money: Money = PRICE,
    conduct: Conduct = Conduct.PAYS,
) -> ScheduleRequest:
    number = next(numbers)
    customer_uid = key or side.key(conduct)
    charge = ChargeRequest(f"schedule{number}x{time.time_ns()}", customer_uid, money, "월간 구독", "nice_v2")
    return ScheduleRequest(charge, at or in_an_hour())


def soon(side: Side, conduct: Conduct) -> ScheduleRequest:
    """Due while the test waits. The key is there before the clock is read: a busy machine takes its time for it."""
    key = side.key(conduct)
    return wanted(side, in_an_hour(SOON), key)


def registered(side: Side, request: ScheduleRequest) -> ScheduleRequest:
    answer = side.gateway.register_schedule(request)
    assert isinstance(answer, Registered), answer
    return request


def shown(side: Side, request: ScheduleRequest) -> GatewaySchedule:
    reading = side.gateway.read_schedule(request.charge.merchant_uid)
    assert reading.trouble is None
    assert reading.schedule is not None
    return reading.schedule


def revoke(side: Side, request: ScheduleRequest) -> object:
    return side.gateway.revoke_schedule(request.charge.customer_uid, request.charge.merchant_uid)


def eventually(probe: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not probe():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("price", [PRICE, Money(1999, "USD"), Money(12_345, "KWD")], ids=str)
def test_a_schedule_is_registered_and_charges_nothing_now(side: Side, price: Money) -> None:
    request = registered(side, wanted(side, money=price))
    found = shown(side, request)
    assert (found.merchant_uid, found.customer_uid) == (request.charge.merchant_uid, request.charge.customer_uid)
    assert (found.at, found.money, found.name) == (request.at, price, "월간 구독")
    assert (found.status, found.imp_uid) == (ShownStatus.SCHEDULED, None)
    assert side.ledger(request.charge.merchant_uid) == []


def test_a_repeat_registers_nothing_more(side: Side) -> None:
    request = registered(side, wanted(side))
    again = side.gateway.register_schedule(replace(request, at=request.at + timedelta(hours=1)))
    assert isinstance(again, Unknown)
    assert again.duplicate
    assert shown(side, request).at == request.at
    span = (request.at - timedelta(days=1), request.at + timedelta(days=1))
    assert len(side.gateway.schedules_of_key(request.charge.customer_uid, *span).schedules) == 1


@pytest.mark.parametrize("gone", ["never issued", "deleted"])
def test_a_key_that_the_gateway_does_not_have_is_not_scheduled(side: Side, gone: str) -> None:
    request = wanted(side, key="never-issued-by-any-gateway" if gone == "never issued" else None)
    if gone == "deleted":
        side.delete_key(request.charge.customer_uid)
    assert isinstance(side.gateway.register_schedule(request), NotRegistered)
    assert side.gateway.read_schedule(request.charge.merchant_uid) == ScheduleReading()


def test_a_date_that_has_passed_is_not_registered(side: Side) -> None:
    request = wanted(side, at=in_an_hour(-60))
    assert isinstance(side.gateway.register_schedule(request), NotRegistered)
    assert side.gateway.read_schedule(request.charge.merchant_uid).schedule is None


def test_a_schedule_is_revoked_once_and_a_second_time_does_no_harm(side: Side) -> None:
    request, other = registered(side, wanted(side)), registered(side, wanted(side))
    assert isinstance(revoke(side, request), Revoked)
    assert shown(side, request).status is ShownStatus.REVOKED
    again = revoke(side, request)
    assert isinstance(again, Unknown)
    assert not again.alarming
    assert shown(side, request).status is ShownStatus.REVOKED
    assert shown(side, other).status is ShownStatus.SCHEDULED


def test_other_schedules_of_the_key_stay(side: Side) -> None:
    first = registered(side, wanted(side))
    second = registered(side, wanted(side, key=first.charge.customer_uid))
    assert isinstance(revoke(side, first), Revoked)
    assert shown(side, second).status is ShownStatus.SCHEDULED


def test_an_unknown_schedule_is_none_and_its_revocation_unknown(side: Side) -> None:
    request = wanted(side)
    assert side.gateway.read_schedule(request.charge.merchant_uid) == ScheduleReading()
    assert isinstance(revoke(side, request), Unknown)
    span = (request.at - timedelta(days=1), request.at + timedelta(days=1))
    assert side.gateway.schedules_of_key(request.charge.customer_uid, *span).schedules == ()


@pytest.mark.parametrize("done", [True, False])
def test_a_lost_answer_is_unknown_and_a_read_tells(side: Side, *, done: bool) -> None:
    request = wanted(side)
    side.lose_schedule(registered=done)
    answer = side.gateway.register_schedule(request)
    assert isinstance(answer, Unknown)
    assert not answer.duplicate
    found = side.gateway.read_schedule(request.charge.merchant_uid)
    assert found.trouble is None
    assert (found.schedule is not None) is done
    again = side.gateway.register_schedule(request)
    assert isinstance(again, Unknown if done else Registered)


def test_a_lost_revocation_is_unknown_and_a_read_tells(side: Side) -> None:
    request = registered(side, wanted(side))
    side.lose_schedule(registered=True)
    assert isinstance(revoke(side, request), Unknown)
    assert shown(side, request).status is ShownStatus.REVOKED


def test_lists_are_half_open_and_read_to_the_last_page(side: Side) -> None:
    start = in_an_hour(40 * 86_400 + next(numbers) * 3600)
    key = side.key()
    mine = [registered(side, wanted(side, start + timedelta(seconds=each), key)) for each in range(23)]
    other = registered(side, wanted(side, start))
    assert isinstance(revoke(side, mine[5]), Revoked)
    end = start + timedelta(seconds=22)
    of_key, of_all = side.gateway.schedules_of_key(key, start, end), side.gateway.schedules_between(start, end)
    names = {each.charge.merchant_uid for each in mine[:-1]}
    assert (of_key.trouble, of_key.unreadable) == (of_all.trouble, of_all.unreadable) == (None, ())
    assert {each.merchant_uid for each in of_key.schedules} == names
    assert {each.merchant_uid for each in of_all.schedules} == names | {other.charge.merchant_uid}
    assert [each.status for each in of_key.schedules].count(ShownStatus.REVOKED) == 1
    assert side.gateway.schedules_between(end + timedelta(seconds=1), end + timedelta(minutes=9)).schedules == ()


@pytest.mark.parametrize("what", [(Garbled.DATE,), (Garbled.DATE, Garbled.KEY)], ids=["date", "key"])
def test_a_garbled_row_is_told_with_what_it_shows_and_hides_no_other(side: Side, what: tuple[Garbled, ...]) -> None:
    at = in_an_hour(70 * 86_400 + next(numbers) * 3600)
    good, bad, gone = (registered(side, wanted(side, at)) for _ in range(3))
    assert isinstance(revoke(side, gone), Revoked)
    for request in (bad, gone):
        side.garble(request.charge.merchant_uid, *what)
    listing = side.gateway.schedules_between(at, at + timedelta(minutes=1))
    assert listing.trouble is None
    assert [each.merchant_uid for each in listing.schedules] == [good.charge.merchant_uid]
    whose = "" if Garbled.KEY in what else None
    told = {each.merchant_uid: (each.customer_uid, each.may_run, bool(each.problem)) for each in listing.unreadable}
    assert told == {
        bad.charge.merchant_uid: (bad.charge.customer_uid if whose is None else whose, True, True),
        gone.charge.merchant_uid: (gone.charge.customer_uid if whose is None else whose, False, True),
    }


@pytest.mark.parametrize("what", [(Garbled.DATE,), (Garbled.DATE, Garbled.KEY)], ids=["date", "key"])
def test_the_own_list_of_a_key_tells_its_garbled_rows_only(side: Side, what: tuple[Garbled, ...]) -> None:
    at = in_an_hour(70 * 86_400 + next(numbers) * 3600)
    good, bad = registered(side, wanted(side, at)), registered(side, wanted(side, at))
    side.garble(bad.charge.merchant_uid, *what)
    span = (at, at + timedelta(minutes=1))
    own = side.gateway.schedules_of_key(bad.charge.customer_uid, *span)
    assert (own.trouble, own.schedules) == (None, ())
    assert [(each.merchant_uid, each.may_run) for each in own.unreadable] == [(bad.charge.merchant_uid, True)]
    other = side.gateway.schedules_of_key(good.charge.customer_uid, *span)
    assert (other.trouble, other.unreadable) == (None, ())
    assert [each.merchant_uid for each in other.schedules] == [good.charge.merchant_uid]
    assert side.gateway.read_schedule(bad.charge.merchant_uid).trouble


def test_a_span_of_a_year_is_read(side: Side) -> None:
    key = side.key()
    all_of_it = [registered(side, wanted(side, in_an_hour(days * 86_400), key)) for days in (1, 100, 200, 300)]
    listing = side.gateway.schedules_of_key(key, in_an_hour(0), in_an_hour(360 * 86_400))
    assert listing.trouble is None
    assert {each.merchant_uid for each in listing.schedules} == {each.charge.merchant_uid for each in all_of_it}


@pytest.mark.parametrize(("conduct", "status"), [(Conduct.PAYS, "paid"), (Conduct.IS_STOLEN, "failed")])
def test_a_schedule_runs_once_at_its_time(side: Side, conduct: Conduct, status: str) -> None:
    request = registered(side, soon(side, conduct))
    uid = request.charge.merchant_uid
    assert side.ledger(uid) == []
    eventually(lambda: bool(side.ledger(uid)))
    eventually(lambda: shown(side, request).status is ShownStatus.EXECUTED)
    assert [(row["status"], row["amount"]) for row in side.ledger(uid)] == [(status, PRICE.major)]
    assert [payment.status for payment, _ in side.gateway.payments_of(uid).payments] == [status]
    assert isinstance(revoke(side, request), Unknown)
    assert len(side.ledger(uid)) == 1


def test_a_revoked_schedule_never_runs(side: Side) -> None:
    request = registered(side, soon(side, Conduct.PAYS))
    assert isinstance(revoke(side, request), Revoked)
    time.sleep(SOON + 1)
    assert side.ledger(request.charge.merchant_uid) == []
    assert shown(side, request).status is ShownStatus.REVOKED


@pytest.mark.parametrize("trouble", ["stranger", "unreachable"])
def test_a_call_that_cannot_arrive_has_no_effect_and_a_read_proves_nothing(side: Side, trouble: str) -> None:
    request, known = wanted(side), registered(side, wanted(side))
    gateway = side.stranger() if trouble == "stranger" else side.unreachable()
    with closing(gateway):  # type: ignore[type-var] # the adapters have it
        assert isinstance(gateway.register_schedule(request), Failed)
        assert isinstance(gateway.revoke_schedule(known.charge.customer_uid, known.charge.merchant_uid), Failed)
        assert gateway.read_schedule(known.charge.merchant_uid).trouble
        assert gateway.schedules_of_key(known.charge.customer_uid, in_an_hour(0), in_an_hour(9999)).trouble
        assert gateway.schedules_between(in_an_hour(0), in_an_hour(9999)).trouble
    assert side.gateway.read_schedule(request.charge.merchant_uid).schedule is None
    assert shown(side, known).status is ShownStatus.SCHEDULED
