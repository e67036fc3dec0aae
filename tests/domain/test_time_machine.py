from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.time_machine import FASTEST, TimeMachine
from tests.builders import utc

TEXT = "2026-01-01T00:00:00+09:00 x86400 @2026-11-21T08:41:00Z"
START, ORIGIN = utc("2025-12-31T15:00"), utc("2026-11-21T08:41")


def test_a_setting_names_the_time_shown_the_speed_and_the_real_time_at_which_both_begin():
    assert TimeMachine.parse(TEXT) == TimeMachine(START, 86400.0, ORIGIN)


@pytest.mark.parametrize("text", [TEXT, f"  {TEXT}\n", TEXT.replace(" ", "   "), TEXT.replace("x86400", "x0.5")])
def test_a_setting_that_is_shown_can_be_read_again(text):
    machine = TimeMachine.parse(text)
    assert TimeMachine.parse(str(machine)) == machine


@pytest.mark.parametrize("rate", [0.25, 1.0, 60.0, 86400.0, 123456.0, 1234567.0, float(FASTEST)])
def test_no_digit_of_the_speed_is_lost_where_it_is_shown(rate):
    assert TimeMachine.parse(str(TimeMachine(START, rate, ORIGIN))).rate == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-01T00:00:00+09:00",
        "2026-01-01T00:00:00+09:00 x86400",
        "2026-01-01T00:00:00 x86400 @2026-11-21T08:41:00Z",
        "2026-01-01T00:00:00Z x86400 @2026-11-21T08:41:00",
        "2026-13-01T00:00:00Z x86400 @2026-11-21T08:41:00Z",
        "2026-01-01T00:00:00Z x86400 @yesterday",
        "2026-01-01T00:00:00Z x0 @2026-11-21T08:41:00Z",
        "2026-01-01T00:00:00Z x-1 @2026-11-21T08:41:00Z",
        "2026-01-01T00:00:00Z x10000001 @2026-11-21T08:41:00Z",
        "2026-01-01T00:00:00Z xfast @2026-11-21T08:41:00Z",
    ],
)
def test_any_other_setting_is_refused_with_its_name_the_form_and_an_example(text):
    with pytest.raises(SettingsInvalid) as refused:
        TimeMachine.parse(text)
    message = str(refused.value)
    assert "BILLING_TIME_MACHINE" in message
    assert "START xRATE @ORIGIN" in message
    assert "x86400" in message
    assert repr(text) in message


def test_the_clock_shows_a_day_for_every_second_of_real_time():
    machine = TimeMachine.parse(TEXT)
    assert machine.shows(ORIGIN) == START
    assert machine.shows(ORIGIN + timedelta(seconds=31)) == START + timedelta(days=31)
    assert machine.reached_at(START + timedelta(days=31)) == ORIGIN + timedelta(seconds=31)


@given(seconds=st.integers(0, 10**6), rate=st.sampled_from([0.5, 1.0, 60.0, 86400.0]))
def test_the_real_time_of_a_shown_time_is_when_it_is_shown(seconds, rate):
    machine = TimeMachine(START, rate, ORIGIN)
    shown = START + timedelta(seconds=seconds)
    assert abs(machine.shows(machine.reached_at(shown)) - shown) <= timedelta(milliseconds=100)
