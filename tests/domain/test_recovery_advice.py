"""Advice about declines that a merchant tells: the right step, the right time, and a reason."""

from datetime import UTC, datetime, timedelta

import pytest

from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.policy import DEFAULT, days
from billing_worker.domain.dunning.recovery import EarlierTry, KnownDecline, Why, advise
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.pg_limits import SEOUL

AT = datetime(2026, 3, 12, 0, 30, tzinfo=UTC)
"""09:30 in Seoul, on a Thursday. The 15th is a Sunday, so salaries of that day arrive on Friday the 13th."""
MONEY, LIMIT, STOLEN, OUTAGE = "[CC10]잔액부족", "[CC61]1회 한도초과", "[CC43]도난카드", "[CC75]카드사 점검중"


def _told(text, *earlier, pg="kcp"):
    return KnownDecline("order-1", pg, text, AT, earlier)


def _ago(text, **ago):
    return EarlierTry(AT - timedelta(**ago), text)


def test_a_decline_for_money_waits_for_the_next_payday():
    found = advise(_told(MONEY), DEFAULT)
    assert (found.why, found.decline.category, found.step, found.steps) == (Why.STEP, Category.BALANCE, 1, 5)
    evening = datetime(2026, 3, 13, 18, 0, tzinfo=SEOUL)
    assert evening <= found.retry_at < evening + timedelta(minutes=30)


def test_a_dead_card_is_not_tried_again():
    found = advise(_told(STOLEN), DEFAULT)
    assert (found.why, found.retry_at) == (Why.ANOTHER_CARD, None)


def test_a_card_that_an_earlier_decline_called_dead_is_not_tried_again_unless_it_has_paid_since():
    found = advise(_told(MONEY, _ago(STOLEN, days=3), _ago(MONEY, days=1)), DEFAULT)
    assert (found.why, found.retry_at) == (Why.DEAD_BEFORE, None)
    paid = EarlierTry(AT - timedelta(days=2), None, same_payment=False)
    assert advise(_told(MONEY, paid, _ago(STOLEN, days=3)), DEFAULT).why is Why.STEP


def test_a_failure_is_tried_within_minutes_and_spends_no_step():
    assert advise(_told(OUTAGE), days(1)).retry_at == AT + timedelta(minutes=10)
    found = advise(_told(OUTAGE, _ago(OUTAGE, minutes=10)), days(1))
    assert (found.why, found.step, found.retry_at) == (Why.FAILURE, 0, AT + timedelta(minutes=30))
    again = [_ago(OUTAGE, hours=hours) for hours in range(6, 0, -1)]
    spent = advise(_told(OUTAGE, *again), days(1))
    assert (spent.why, spent.step) == (Why.STEP, 1)


@pytest.mark.parametrize("pg", ["paymentwall", "naverpay", "Naverpay.MID"])
def test_a_failure_waits_for_the_dunning_day_where_a_try_within_minutes_could_take_the_money_twice(pg):
    found = advise(_told(OUTAGE, pg=pg), days(1))
    assert found.decline.advice == "retry_soon"
    assert (found.why, found.retry_at) == (Why.STEP, AT + timedelta(days=1))


def test_steps_count_the_declines_of_this_payment_only():
    same, other = _ago(MONEY, days=3), EarlierTry(AT - timedelta(days=2), MONEY, same_payment=False)
    assert advise(_told(MONEY, same, other), days(1, 3, 5)).step == 2
    assert advise(_told(MONEY, same, other), days(1, 3, 5)).retry_at == AT + timedelta(days=3)
    assert advise(_told(MONEY, same), days(1)).why is Why.USED_UP


def test_the_caps_of_the_card_count_every_payment():
    other = [EarlierTry(AT - timedelta(hours=hours), MONEY, same_payment=False) for hours in range(18, 0, -2)]
    found = advise(_told(MONEY, *other), days(1))
    assert (found.why, found.retry_at) == (Why.STEP, AT + timedelta(days=1))
    many = [EarlierTry(AT - timedelta(days=29, hours=-hours), MONEY, same_payment=False) for hours in range(1, 20)]
    capped = advise(_told(MONEY, *many), days(1))
    assert (capped.why, capped.retry_at) == (Why.CAPPED, many[0].at + timedelta(days=30))


def test_the_usual_hour_of_the_customer_is_kept():
    paid = EarlierTry(AT - timedelta(days=30, hours=-6), None)
    policy = type(DEFAULT)(days(1).steps, hours=type(DEFAULT.hours)(paid_hour=True))
    assert advise(_told(MONEY, paid), policy).retry_at == datetime(2026, 3, 13, 15, 0, tzinfo=SEOUL)


def test_a_duplicate_is_looked_up_first():
    assert advise(_told("[8094]중복 거래", pg="kcp"), DEFAULT).why is Why.LOOK_FIRST


def test_the_merchant_s_own_side_is_tried_daily_and_spends_no_step():
    found = advise(_told("[CC21]미등록 가맹점"), DEFAULT)
    assert (found.why, found.step) == (Why.MERCHANT, 0)
    assert found.retry_at == AT + timedelta(days=1)


@pytest.mark.parametrize("earlier", [[EarlierTry(AT, MONEY)], [EarlierTry(AT + timedelta(days=1), None)]])
def test_a_try_after_the_decline_is_refused(earlier):
    with pytest.raises(InvalidInput, match="history: is not before declined_at"):
        _told(MONEY, *earlier)


def test_more_than_thirty_tries_are_refused():
    with pytest.raises(InvalidInput, match="tell the last 30 tries"):
        _told(MONEY, *[_ago(MONEY, minutes=minute) for minute in range(1, 32)])
