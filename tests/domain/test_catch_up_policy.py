"""Late periods: every begun one is billed, waived or asked about, and never two of these."""

from datetime import timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.calendar import AnchoredCalendar, CronCalendar, Unit
from billing_worker.domain.catch_up import (
    MILLION,
    MOST_PERIODS,
    Backlog,
    Bucket,
    CatchUpMode,
    CatchUpPolicy,
    decide,
    decision_of,
    policy_of,
)
from billing_worker.domain.errors import InvalidInput
from tests.builders import NOW, a_subscription

DAY = timedelta(days=1)
DAILY, MONTHLY = AnchoredCalendar(Unit.DAY, 1), AnchoredCalendar(Unit.MONTH, 1)
EVERY_MINUTE = CronCalendar("* * * * *")
CALENDARS = st.one_of(
    st.builds(
        AnchoredCalendar,
        st.sampled_from(Unit),
        st.integers(1, 3),
        st.sampled_from(["Asia/Seoul", "America/New_York", "Australia/Lord_Howe"]),
    ),
    st.builds(
        CronCalendar,
        st.sampled_from(["30 2 * * *", "0 9 L * *", "15 */5 * * *", "*/20 1-3 * * 1,0", "0 0 1 1 *"]),
        st.sampled_from(["Asia/Seoul", "America/New_York", "Europe/Berlin"]),
    ),
)
POLICIES = st.builds(CatchUpPolicy, st.sampled_from(CatchUpMode), st.none() | st.integers(1, 200))


@given(CALENDARS, POLICIES, st.integers(0, 3 * 365), st.integers(0, 400 * 24 * 60))
def test_billed_waived_and_asked_are_all_begun_periods_in_order_without_a_gap(calendar, policy, day, minutes):
    subscription = a_subscription(created_at=NOW - 365 * DAY, anchor=NOW, next_period_start=NOW)
    subscription.next_period_start = calendar.first_start(NOW + day * DAY)
    subscription.anchor = subscription.next_period_start
    start = subscription.next_period_start
    now = start + timedelta(minutes=minutes)
    backlog = subscription.backlog(policy, calendar, now)
    walked, expected = start, 0
    while walked <= now:
        expected += 1
        walked = calendar.start_after(start, expected, walked)
    assert backlog.waive + backlog.bill + backlog.ask == expected
    if backlog.ask:
        assert (backlog.waive, backlog.bill) == (0, 0)
        return
    if backlog.waive:
        first, last = subscription.leave_out(calendar, backlog.waive)
        assert first == start <= last < subscription.next_period_start
    opened = [subscription.open_period(calendar) for _ in range(backlog.bill)]
    assert subscription.next_period_start == walked > now
    assert subscription.next_period_index == expected
    assert [period.index for period in opened] == list(range(backlog.waive, expected))
    for before, after in pairwise(opened):
        assert before.end == after.start


@given(CALENDARS, st.integers(0, 800))
def test_all_starts_in_one_go_are_those_found_one_after_another(calendar, day):
    start = calendar.first_start(NOW + day * DAY)
    found = list(islice(calendar.starts(start, 0, start), 40))
    walked = [start]
    while len(walked) < 40:
        walked.append(calendar.start_after(start, len(walked), walked[-1]))
    assert found == walked
    assert calendar.begun(start, 0, start, walked[25], 100) == 26
    assert calendar.begun(start, 0, start, walked[25] - timedelta(microseconds=1), 100) == 25
    assert calendar.begun(start, 0, start, walked[25], 7) == 7
    assert calendar.begun(start, 0, start, start - DAY, 7) == 0


@pytest.mark.parametrize("mode", CatchUpMode)
def test_what_is_opened_within_a_day_is_billed_whatever_the_policy(mode):
    just = NOW + DAY - timedelta(microseconds=1)
    assert decide(CatchUpPolicy(mode), EVERY_MINUTE, NOW, 0, NOW, at=just) == Backlog(bill=1440)
    assert decide(CatchUpPolicy(mode), MONTHLY, NOW, 0, NOW, at=just) == Backlog(bill=1)


@pytest.mark.parametrize(
    ("mode", "backlog"),
    [
        (CatchUpMode.BILL_ALL, Backlog(bill=4)),
        (CatchUpMode.LATEST_ONLY, Backlog(waive=3, bill=1)),
        (CatchUpMode.FORGIVE, Backlog(waive=3, bill=1)),
        (CatchUpMode.ASK, Backlog(ask=4)),
    ],
)
def test_after_three_days_and_an_hour_each_mode_does_as_it_says(mode, backlog):
    at = NOW + 3 * DAY + timedelta(hours=1)
    assert decide(CatchUpPolicy(mode), DAILY, NOW, 0, NOW, at=at) == backlog
    late_month = Backlog(waive=int(mode == "forgive"), bill=int(mode in ("bill_all", "latest_only")))
    expected = Backlog(ask=1) if mode == "ask" else late_month
    assert decide(CatchUpPolicy(mode), MONTHLY, NOW, 0, NOW, at=at) == expected


@pytest.mark.parametrize("mode", CatchUpMode)
def test_beyond_the_maximum_age_an_operator_is_asked(mode):
    policy = CatchUpPolicy(mode, 30)
    assert decide(policy, MONTHLY, NOW, 0, NOW, at=NOW + 30 * DAY + timedelta(seconds=1)) == Backlog(ask=2)
    assert not decide(CatchUpPolicy(CatchUpMode.BILL_ALL, 30), MONTHLY, NOW, 0, NOW, at=NOW + 30 * DAY).ask


def test_an_expression_that_fires_every_minute_is_dealt_with_in_parts_and_the_newest_is_kept_for_the_last():
    policy, at = CatchUpPolicy(CatchUpMode.LATEST_ONLY), NOW + 10 * DAY
    subscription = a_subscription(created_at=NOW - 9 * DAY)
    parts = []
    while subscription.next_period_start <= at:
        backlog = subscription.backlog(policy, EVERY_MINUTE, at)
        parts.append(backlog)
        if backlog.waive:
            subscription.leave_out(EVERY_MINUTE, backlog.waive)
        if backlog.bill:
            assert subscription.open_period(EVERY_MINUTE).start == at
    assert parts == [Backlog(waive=MOST_PERIODS), Backlog(waive=4400, bill=1)]


def test_an_operators_word_holds_for_what_had_begun_then_and_the_policy_for_what_came_later():
    subscription = a_subscription(created_at=NOW - DAY)
    subscription.catch_up_mode, subscription.catch_up_until = CatchUpMode.FORGIVE, NOW + 100 * DAY
    later = NOW + 103 * DAY
    assert subscription.backlog(CatchUpPolicy(CatchUpMode.ASK), DAILY, later) == Backlog(waive=100, bill=1)
    subscription.leave_out(DAILY, 100)
    assert subscription.backlog(CatchUpPolicy(CatchUpMode.ASK), DAILY, later) == Backlog(bill=1)
    subscription.open_period(DAILY)
    assert subscription.backlog(CatchUpPolicy(CatchUpMode.ASK), DAILY, later) == Backlog(ask=3)


def test_who_came_today_with_an_older_start_is_not_late():
    subscription = a_subscription(created_at=NOW + DAY)
    assert subscription.backlog(CatchUpPolicy(CatchUpMode.FORGIVE), MONTHLY, NOW + DAY) == Backlog(bill=1)


def test_a_hold_ends_where_the_periods_move_on():
    held = a_subscription(held_since=NOW)
    assert not held.renews_at(NOW)
    held.skip_to(MONTHLY, NOW)
    assert held.held_since is None
    opened = a_subscription(held_since=NOW)
    opened.open_period(MONTHLY)
    assert opened.held_since is None


@pytest.mark.parametrize("days", [0, -1, 3661, True, 1.5])
def test_a_maximum_age_out_of_bounds_is_refused_by_name(days):
    with pytest.raises(InvalidInput, match="catch_up_max_age"):
        policy_of("ask", days)


def test_an_unknown_mode_and_an_answer_that_only_asks_are_refused():
    with pytest.raises(InvalidInput, match="catch_up: must be one of bill_all, latest_only, forgive, ask"):
        policy_of("most", 30)
    with pytest.raises(InvalidInput, match="mode: must be one of bill_all, latest_only, forgive"):
        decision_of("ask")


@given(st.integers(1, 5000), st.lists(st.integers(0, 90_000), min_size=1, max_size=60))
def test_a_bucket_gives_at_most_its_rate_and_one_burst_whenever_it_is_asked(per_minute, waits):
    bucket, now, given_out = Bucket("renewals", 0, NOW), NOW, 0
    for milliseconds in waits:
        now += timedelta(milliseconds=milliseconds)
        pieces = bucket.fill(per_minute, now)
        bucket.take(pieces)
        given_out += pieces
        assert 0 <= bucket.millionths < MILLION
    passed = (now - NOW).total_seconds() / 60
    assert given_out <= per_minute * passed
    assert bucket.fill(per_minute, now - DAY) == 0
