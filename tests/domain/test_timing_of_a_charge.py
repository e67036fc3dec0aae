from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.timing import LARGEST_BACKOFF, Timing, technical_backoff
from tests.builders import NOW


def wait(timing: Timing, looks: int) -> float:
    return (timing.next_look(looks, NOW) - NOW).total_seconds()


def test_the_defaults_are_a_ladder():
    timing = Timing()
    assert 60 <= timing.http_deadline < timing.lease
    assert timing.first_look <= timing.longest_look


@pytest.mark.fm("J5")
@pytest.mark.parametrize(
    ("fields", "variable"),
    [
        ({"http_deadline": 90.0, "lease": 90.0}, "BILLING_HTTP_DEADLINE"),
        ({"http_deadline": 91.0, "lease": 90.0}, "BILLING_HTTP_DEADLINE"),
        ({"http_deadline": 0.0}, "BILLING_HTTP_DEADLINE"),
        ({"http_deadline": -1.0}, "BILLING_HTTP_DEADLINE"),
        ({"http_deadline": float("nan")}, "BILLING_HTTP_DEADLINE"),
        ({"lease": float("nan")}, "BILLING_HTTP_DEADLINE"),
        ({"lease": 60.0}, "BILLING_LEASE"),
        ({"claim": 0.0}, "BILLING_CLAIM"),
        ({"claim": -1.0}, "BILLING_CLAIM"),
        ({"claim": float("nan")}, "BILLING_CLAIM"),
        ({"first_look": 0.0}, "BILLING_RESOLVE_FIRST"),
        ({"first_look": -1.0}, "BILLING_RESOLVE_FIRST"),
        ({"first_look": 3601.0}, "BILLING_RESOLVE_FIRST"),
        ({"settle_window": 0.0}, "BILLING_SETTLE_WINDOW"),
        ({"settle_window": -5.0}, "BILLING_SETTLE_WINDOW"),
        ({"settle_window": float("nan")}, "BILLING_SETTLE_WINDOW"),
        ({"settle_windows": (("paymentwall", 0.0),)}, "BILLING_SETTLE_WINDOWS"),
        ({"settle_windows": (("paymentwall", float("nan")),)}, "BILLING_SETTLE_WINDOWS"),
        ({"compare_interval": 0.0}, "BILLING_COMPARE_INTERVAL"),
    ],
)
def test_a_broken_ladder_is_refused_with_the_variables_name(fields, variable):
    with pytest.raises(SettingsInvalid, match=variable) as refused:
        Timing(**fields)
    assert "\n" not in str(refused.value)


def test_the_refusal_shows_both_limits_and_the_way_out():
    with pytest.raises(SettingsInvalid) as refused:
        Timing(http_deadline=100, lease=90)
    message = str(refused.value)
    assert "(100 s)" in message
    assert "(90 s)" in message
    assert "raise BILLING_LEASE or lower the deadline" in message


@pytest.mark.parametrize(("looks", "seconds"), [(0, 10), (1, 20), (2, 40), (5, 320), (8, 2560), (9, 3600), (10, 3600)])
def test_the_wait_between_two_looks_doubles_up_to_an_hour(looks, seconds):
    assert wait(Timing(), looks) == seconds


@given(first=st.floats(0.001, 3600), looks=st.integers(0, 10**9))
def test_the_resolver_looks_ever_later_but_never_gives_up(first, looks):
    timing = Timing(first_look=first)
    assert 0 < wait(timing, looks) <= wait(timing, looks + 1) <= timing.longest_look


@pytest.mark.parametrize(("failures", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60)])
def test_a_charge_that_was_not_placed_is_tried_again_after_1_2_4_minutes_up_to_an_hour(failures, minutes):
    assert technical_backoff(failures) == timedelta(minutes=minutes)


def test_the_technical_backoff_grows_and_is_capped_however_long_the_outage():
    waits = [technical_backoff(failures) for failures in [*range(1, 100), 10**6]]
    assert all(earlier <= later for earlier, later in pairwise(waits))
    assert waits[-1] == LARGEST_BACKOFF


def test_a_pg_may_need_longer_than_the_others_until_nothing_means_nothing():
    timing = Timing(settle_window=120.0, settle_windows=(("paymentwall", 3600.0),))
    assert timing.settle_window_of("paymentwall") == timedelta(hours=1)
    assert timing.settle_window_of("nice_v2") == timedelta(minutes=2)
