from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.comparison import (
    FIRST_LOOK_BACK,
    LAST_LOOK,
    OVERLAP,
    RETRY_LONGEST,
    SLICE,
    Comparison,
    ComparisonStatus,
    next_span,
    spans,
)
from billing_worker.domain.moment import Moment
from billing_worker.domain.order_number import merchant_uid, read_merchant_uid

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INTERVAL = timedelta(minutes=5)
HOUR = timedelta(hours=1)


def done(start: datetime, end: datetime, created: datetime = NOW) -> Comparison:
    return Comparison(1, start, end, ComparisonStatus.DONE, created, created, finished_at=created)


def open_(start: datetime, end: datetime, *, failed: bool = False) -> Comparison:
    comparison = Comparison(1, start, end, ComparisonStatus.OPEN, NOW, NOW)
    if failed:
        comparison.take(NOW, HOUR)
        comparison.fail("the gateway is away", NOW)
    return comparison


def test_a_fresh_database_looks_a_few_days_back_in_slices():
    first = next_span(None, Moment(NOW, NOW), INTERVAL)
    assert first == (NOW - FIRST_LOOK_BACK, NOW - FIRST_LOOK_BACK + OVERLAP + SLICE)


def test_each_span_begins_an_overlap_before_the_end_of_the_last_one_when_the_interval_is_over():
    last = done(NOW - 2 * HOUR, NOW)
    later = NOW + INTERVAL
    early = later - timedelta(seconds=1)
    assert next_span(last, Moment(early, early), INTERVAL) is None
    assert next_span(last, Moment(later, later), INTERVAL) == (NOW - OVERLAP, later)


def test_no_span_is_planned_while_the_last_one_is_not_done_unless_it_is_full_and_fails():
    assert next_span(open_(NOW - 2 * HOUR, NOW), Moment(NOW + HOUR, NOW + HOUR), INTERVAL) is None
    narrow = open_(NOW - 2 * HOUR, NOW, failed=True)
    assert next_span(narrow, Moment(NOW + HOUR, NOW + HOUR), INTERVAL) is None
    full = open_(NOW - SLICE - OVERLAP, NOW, failed=True)
    assert next_span(full, Moment(NOW + HOUR, NOW + HOUR), INTERVAL) == (NOW - OVERLAP, NOW + HOUR)


def test_a_span_that_fails_takes_the_time_since_then_along_up_to_a_slice():
    comparison = open_(NOW - 2 * HOUR, NOW, failed=True)
    comparison.widen(NOW + HOUR)
    assert comparison.ends_at == NOW + HOUR
    comparison.widen(NOW + 10 * SLICE)
    assert comparison.ends_at == comparison.starts_at + OVERLAP + SLICE
    assert comparison.is_full


def test_it_stands_still_while_billing_time_does():
    last = done(NOW - 2 * HOUR, NOW)
    assert next_span(last, Moment(NOW, NOW + 10 * HOUR), INTERVAL) is None


@given(away=st.floats(0.1, 400), steps=st.integers(1, 3))
def test_after_an_outage_of_any_length_slices_cover_every_moment(away, steps):
    last, now = done(NOW - 2 * HOUR, NOW), NOW + timedelta(days=away)
    seen = [(last.starts_at, last.ends_at)]
    while (span := next_span(last, Moment(now, now), INTERVAL * steps)) is not None:
        assert span[1] - span[0] <= SLICE + OVERLAP
        seen.append(span)
        last = done(*span, created=now)
    for before, after in pairwise(seen):
        assert after[0] == before[1] - OVERLAP
    assert last.ends_at == now


@given(days=st.floats(0.001, 100))
def test_an_operator_may_ask_for_any_time_back(days):
    start = NOW - timedelta(days=days)
    asked = spans(start, NOW)
    assert (asked[0][0], asked[-1][1]) == (start, NOW)
    assert all(after[0] == before[1] - OVERLAP for before, after in pairwise(asked))


def test_only_one_worker_reads_a_span_until_its_lease_is_over():
    comparison = open_(NOW - HOUR, NOW)
    assert comparison.take(NOW, HOUR)
    assert not comparison.take(NOW + HOUR - timedelta(seconds=1), HOUR)
    assert comparison.take(NOW + HOUR, HOUR)
    assert comparison.tries == 2
    comparison.finish(NOW)
    assert not comparison.take(NOW + 9 * HOUR, HOUR)


def test_a_span_that_fails_is_read_again_ever_later_but_soon_and_without_end():
    comparison = open_(NOW - HOUR, NOW)
    waits = []
    for _ in range(50):
        comparison.take(comparison.next_try_at + HOUR, HOUR)
        comparison.fail("away", NOW)
        waits.append(comparison.next_try_at - NOW)
    assert waits == sorted(waits)
    assert waits[-1] == RETRY_LONGEST
    assert comparison.status is ComparisonStatus.OPEN


@given(
    environment=st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    subscription=st.from_regex(r"[a-z0-9]{16}", fullmatch=True),
    period=st.integers(0, 99_999),
    generation=st.integers(1, 99),
)
def test_a_number_of_ours_is_read_back_as_it_was_made(environment, subscription, period, generation):
    number = read_merchant_uid(merchant_uid(environment, f"sub_{subscription}", period, generation))
    assert number is not None
    assert (number.environment, number.owner_id, number.period_index) == (
        environment,
        f"sub_{subscription}",
        period,
    )


@pytest.mark.parametrize("text", ["", "order-1", "bw0123456789abcdefp0000g01", "BW0123456789abcdefp00001g01", "x" * 40])
def test_another_number_is_not_taken_for_ours(text):
    assert read_merchant_uid(text) is None


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=60))
def test_each_date_of_a_schedule_is_compared_once_before_it_comes_and_all_once_a_day(seconds: list[int]):
    """As long as the spans follow one another in time; none of these is longer than a slice."""
    now, last = NOW, done(NOW - 2 * HOUR, NOW)
    reached, wholes, days = NOW + LAST_LOOK, 0, set()
    for wait in seconds:
        now += timedelta(seconds=wait)
        span = next_span(last, Moment(now, now), timedelta(0))
        assert span is not None
        last = done(*span, created=now)
        days |= {now.date()}
        dates = last.schedule_dates(now)
        if dates is None:
            wholes += 1
            reached = now + LAST_LOOK
        else:
            assert dates == (reached, now + LAST_LOOK)
            reached = dates[1]
    assert wholes == len(days - {NOW.date()})


def test_a_span_that_is_read_late_leaves_the_whole_list_to_a_later_one():
    midnight = NOW.replace(hour=0)
    last = done(midnight - 2 * HOUR, midnight + INTERVAL)
    assert last.schedule_dates(midnight + INTERVAL) is None
    assert last.schedule_dates(midnight + 2 * HOUR) == (midnight - HOUR + LAST_LOOK, midnight + INTERVAL + LAST_LOOK)
