"""A schedule at PortOne: what may charge by it, what a read of it proves, and whether it is still wanted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from billing_worker.domain.billing_key import IssueUse, IssuingPayment, KeyStatus
from billing_worker.domain.errors import InvalidTransition
from billing_worker.domain.schedule import (
    AHEAD,
    LEAST_LEAD,
    SCHEDULE_TRANSITIONS,
    Collection,
    Schedule,
    ScheduleStatus,
    whole_second,
)
from billing_worker.domain.schedule_wish import Wish
from billing_worker.domain.subscription import SubscriptionStatus
from tests.builders import NOW, WON, a_key, a_subscription

START = NOW + timedelta(days=20)
WINDOW = timedelta(minutes=3)


def a_schedule(**fields: Any) -> Schedule:
    defaults: dict[str, Any] = {
        "id": "sch_1",
        "subscription_id": "sub_0123456789abcdef",
        "billing_key_id": "key_1",
        "period_index": 1,
        "generation": 1,
        "merchant_uid": "order1",
        "money": WON,
        "schedule_at": START,
        "status": ScheduleStatus.REGISTERED,
        "created_at": NOW,
        "next_step_at": None,
        "sent_at": NOW,
    }
    return Schedule(**defaults | fields)


def a_wish(**fields: Any) -> Wish:
    own = {"collection": Collection.PORTONE_SCHEDULE, "next_period_index": 1, "next_period_start": START}
    return Wish(a_subscription(**own | fields), a_key(), WON)


def test_a_period_is_portones_while_a_schedule_that_was_sent_lives_or_ran_unknown_to_us() -> None:
    assert a_schedule().may_have_charged(attempts=0)
    assert a_schedule(status=ScheduleStatus.REVOKING).may_have_charged(attempts=1)
    assert not a_schedule(status=ScheduleStatus.REGISTERING, sent_at=None).may_have_charged(attempts=0)
    assert not a_schedule(status=ScheduleStatus.REVOKED).may_have_charged(attempts=0)
    assert a_schedule(status=ScheduleStatus.EXECUTED).may_have_charged(attempts=0)
    assert not a_schedule(status=ScheduleStatus.EXECUTED).may_have_charged(attempts=1)


def test_only_a_read_that_began_a_window_after_the_last_sending_proves_absence() -> None:
    assert not a_schedule().is_absent(NOW + WINDOW - timedelta(seconds=1), WINDOW)
    assert a_schedule().is_absent(NOW + WINDOW, WINDOW)
    assert a_schedule(sent_at=None).is_absent(NOW, WINDOW)


def test_no_charge_comes_before_the_whole_second_after_its_time() -> None:
    assert whole_second(START) == START
    assert whole_second(START + timedelta(microseconds=1)) == START + timedelta(seconds=1)


@pytest.mark.parametrize("status", ScheduleStatus)
def test_a_closed_schedule_has_no_step_and_an_edge_that_no_table_lists_is_refused(status: ScheduleStatus) -> None:
    for to in ScheduleStatus:
        schedule = a_schedule(status=status, next_step_at=NOW, looks=3)
        if to not in SCHEDULE_TRANSITIONS[status]:
            with pytest.raises(InvalidTransition):
                schedule.move_to(to, NOW)
            continue
        schedule.move_to(to, NOW)
        assert (schedule.next_step_at is None, schedule.closed_at is None) == (not schedule.is_live, schedule.is_live)
        assert schedule.looks == 0


def test_the_next_period_is_registered_once_when_it_is_near_and_not_too_near() -> None:
    assert a_wish().may_register(NOW)
    assert not a_wish(scheduled_index=1).may_register(NOW)
    assert not a_wish().may_register(START - LEAST_LEAD + timedelta(seconds=1))
    assert not a_wish(next_period_start=NOW + AHEAD + timedelta(seconds=1)).may_register(NOW)


PAID = IssuingPayment("imp_1", "shop-1", WON, NOW, "gildong@example.com", 1)

Change = Callable[[Wish], Wish]
AGAINST: dict[str, Change] = {
    "collected by worker": lambda wish: _own(wish, collection=Collection.WORKER),
    "the subscription is unpaid": lambda wish: _own(wish, status=SubscriptionStatus.UNPAID),
    "ends with its current period": lambda wish: _own(wish, cancel_at_period_end=True),
    "wait for a decision": lambda wish: _own(wish, held_since=NOW),
    "key_1 is invalid": lambda wish: replace(wish, key=a_key(status=KeyStatus.INVALID)),
    "the payment that issued its key may pay the period": lambda wish: replace(
        wish, key=a_key(issue=PAID, issue_claim=IssueUse.OPEN)
    ),
    "charging is stopped": lambda wish: replace(wish, stopped="all"),
    "its period is waived": lambda wish: _own(wish, next_period_index=2),
    "the period begins at": lambda wish: _own(wish, next_period_start=START + timedelta(days=1)),
    "charged on billing key key_2": lambda wish: replace(wish, key=a_key(id="key_2")),
    "the price is": lambda wish: replace(wish, money=replace(WON, amount=WON.amount + 1)),
}


def _own(wish: Wish, **fields: Any) -> Wish:
    return replace(wish, subscription=replace(wish.subscription, **fields))


def test_a_schedule_that_fits_is_wanted() -> None:
    assert a_wish().against_schedule(a_schedule()) is None


@pytest.mark.parametrize("reason", AGAINST)
def test_whatever_changes_makes_a_schedule_unwanted_and_says_why(reason: str) -> None:
    told = AGAINST[reason](a_wish()).against_schedule(a_schedule())
    assert told is not None
    assert reason in told


@pytest.mark.parametrize("claim", [IssueUse.NONE, IssueUse.COUNTED])
def test_what_issued_a_key_stands_against_nothing_once_it_is_decided(claim: IssueUse) -> None:
    owner = "sub_0123456789abcdef" if claim is IssueUse.COUNTED else None
    wish = replace(a_wish(), key=a_key(issue=PAID, issue_claim=claim, issue_for=owner))
    assert wish.against() is None
