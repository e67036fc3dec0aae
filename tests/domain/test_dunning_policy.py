from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.dunning import LONGEST_RETRY_DAYS, MOST_RETRIES, DunningPolicy
from billing_worker.domain.errors import InvalidInput
from tests.builders import NOW

POLICIES = st.lists(st.integers(1, LONGEST_RETRY_DAYS), max_size=MOST_RETRIES).map(
    lambda days: DunningPolicy(tuple(days))
)


def days_of_tries(policy: DunningPolicy) -> list[int]:
    """The days on which an invoice is tried when every try is declined, day 0 being the first."""
    tries, now = [0], NOW
    while (again := policy.next_retry(len(tries), now)) is not None:
        now = again
        tries.append((now - NOW).days)
    return tries


@pytest.mark.parametrize(
    ("declines", "wait"),
    [(1, 1), (2, 3), (3, 5), (4, 7), (5, None), (6, None), (100, None)],
)
def test_the_default_waits_1_3_5_and_7_days_after_the_decline_before(declines, wait):
    expected = None if wait is None else NOW + timedelta(days=wait)
    assert DunningPolicy().next_retry(declines, NOW) == expected


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        (DunningPolicy(), [0, 1, 4, 9, 16]),
        (DunningPolicy(()), [0]),
        (DunningPolicy((3,)), [0, 3]),
        (DunningPolicy((1, 1, 1)), [0, 1, 2, 3]),
    ],
    ids=str,
)
def test_an_invoice_that_is_always_declined_is_tried_on_these_days(policy, days):
    assert days_of_tries(policy) == days


@pytest.mark.parametrize(("declines", "days"), [(1, 16), (2, 15), (3, 12), (4, 7), (5, 0), (9, 0)])
def test_the_end_is_where_the_retries_that_are_left_would_lead(declines, days):
    assert DunningPolicy().end(declines, NOW) == NOW + timedelta(days=days)


@given(policy=POLICIES)
def test_the_end_after_the_first_decline_is_the_last_try(policy):
    assert policy.end(1, NOW) == NOW + timedelta(days=days_of_tries(policy)[-1])


@given(policy=POLICIES)
def test_there_are_as_many_retries_as_days_and_then_none(policy):
    tries = days_of_tries(policy)
    assert len(tries) == len(policy.retry_days) + 1
    assert tries == sorted(set(tries))


def test_the_index_is_the_number_of_declines_so_that_an_outage_uses_up_nothing():
    policy = DunningPolicy()
    assert policy.next_retry(1, NOW + timedelta(days=2)) == NOW + timedelta(days=3)
    assert policy.next_retry(1, NOW + timedelta(days=5)) == NOW + timedelta(days=6)


@pytest.mark.parametrize("days", [(), (1,), (LONGEST_RETRY_DAYS,), (1,) * MOST_RETRIES])
def test_waits_of_1_to_60_whole_days_and_at_most_15_of_them_are_accepted(days):
    assert DunningPolicy(days).retry_days == days


@pytest.mark.parametrize("day", [0, -1, LONGEST_RETRY_DAYS + 1, 1.5, 1.0, True, "3", None])
def test_any_other_wait_is_refused(day):
    with pytest.raises(InvalidInput) as refused:
        DunningPolicy((1, day))
    assert refused.value.field == "dunning_days"
    assert f"1 to {LONGEST_RETRY_DAYS} whole days" in str(refused.value)
    # A value that was not given is not shown.
    assert str(refused.value).endswith(f" (got {day!r})") is (day is not None)


@pytest.mark.fm("L25")
def test_more_retries_than_the_card_networks_allow_are_refused():
    with pytest.raises(InvalidInput) as refused:
        DunningPolicy((1,) * (MOST_RETRIES + 1))
    assert refused.value.field == "dunning_days"
    assert f"at most {MOST_RETRIES} retries" in str(refused.value)
