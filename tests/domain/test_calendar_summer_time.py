"""A local hour that summer time skips or doubles bills once: every transition of several zones, one by one."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_worker.domain.calendar import AnchoredCalendar, CronCalendar, Unit, instant
from tests.builders import utc

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

YEARS = {
    "America/New_York": (2020, 2030),
    "Europe/London": (2020, 2030),
    "Australia/Lord_Howe": (2020, 2030),  # half an hour
    "Africa/Casablanca": (2020, 2030),  # winter time in Ramadan
    "America/Havana": (2020, 2030),  # midnight does not exist, midnight comes twice
    "Asia/Beirut": (2020, 2030),  # midnight does not exist, 23:00 comes twice
    "Africa/Cairo": (2020, 2030),
    "America/Santiago": (2020, 2030),
    "America/Sao_Paulo": (2009, 2019),  # gave summer time up in 2019; midnight did not exist
}


@cache
def transitions(zone: str) -> list[datetime]:
    """Every instant at which the zone's offset to UTC changes, to the minute."""
    clock, (first, last) = ZoneInfo(zone), YEARS[zone]
    found, day, end = [], datetime(first, 1, 1, tzinfo=UTC), datetime(last, 12, 31, tzinfo=UTC)
    while day < end:
        low, high = day, day + DAY
        if low.astimezone(clock).utcoffset() != high.astimezone(clock).utcoffset():
            while high - low > MINUTE:
                middle = low + (high - low) // (2 * MINUTE) * MINUTE
                same = middle.astimezone(clock).utcoffset() == low.astimezone(clock).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        day += DAY
    return found


CASES = [
    pytest.param(zone, change, id=f"{zone}-{change:%Y-%m-%d}") for zone in sorted(YEARS) for change in transitions(zone)
]


def shift(zone: str, change: datetime) -> timedelta:
    """How far the wall clock jumps: forward is positive."""
    clock = ZoneInfo(zone)
    before, after = (change - MINUTE).astimezone(clock).utcoffset(), change.astimezone(clock).utcoffset()
    assert before is not None
    assert after is not None
    return after - before


def critical_walls(zone: str, change: datetime) -> list[datetime]:
    """Wall times that are skipped or doubled, and those just beside."""
    jump = abs(shift(zone, change))
    offset = (change - MINUTE).astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    first = (change + offset).replace(tzinfo=None)  # the wall time at which the clock is changed
    if shift(zone, change) < timedelta(0):
        first -= jump
    return [first - MINUTE, first, first + jump // 2, first + jump - MINUTE, first + jump]


def dates_around(wall: datetime) -> list[date]:
    return [(wall + n * DAY).date() for n in range(-2, 4)]


def local(start: datetime, zone: str) -> datetime:
    return start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def test_the_list_of_transitions_is_not_empty_by_mistake():
    assert len(transitions("America/New_York")) == 22
    assert transitions("Europe/London")[0] == utc("2020-03-29T01:00")
    assert transitions("Australia/Lord_Howe")[0] == utc("2020-04-04T15:00")
    assert {shift("Australia/Lord_Howe", change) for change in transitions("Australia/Lord_Howe")} == {
        timedelta(minutes=30),
        timedelta(minutes=-30),
    }
    assert len(CASES) > 150


@pytest.mark.fm("H3")
@pytest.mark.parametrize(("zone", "change"), CASES)
def test_a_daily_anchor_bills_every_local_date_exactly_once(zone, change):
    calendar = AnchoredCalendar(Unit.DAY, 1, zone)
    for wall in critical_walls(zone, change):
        anchor = instant(wall - 2 * DAY, zone)
        found = [calendar.start_after(anchor, index, anchor) for index in range(6)]
        assert [local(start, zone).date() for start in found] == dates_around(wall)


@pytest.mark.fm("H3")
@pytest.mark.parametrize(("zone", "change"), CASES)
def test_a_daily_cron_bills_every_local_date_exactly_once(zone, change):
    for wall in critical_walls(zone, change):
        calendar = CronCalendar(f"{wall.minute} {wall.hour} * * *", zone)
        start = calendar.first_start(instant(wall - 2 * DAY, zone))
        found = [start]
        while len(found) < 6:
            found.append(calendar.start_after(start, len(found), found[-1]))
        assert [local(start, zone).date() for start in found] == dates_around(wall)


@pytest.mark.fm("H3")
@pytest.mark.parametrize(("zone", "change"), CASES)
def test_anchored_and_cron_agree_on_every_day_of_a_transition(zone, change):
    for wall in critical_walls(zone, change):
        anchored, cron = AnchoredCalendar(Unit.DAY, 1, zone), CronCalendar(f"{wall.minute} {wall.hour} * * *", zone)
        anchor = instant(wall - 2 * DAY, zone)
        previous = anchor
        for index in range(1, 6):
            start = cron.start_after(anchor, index, previous)
            assert start == anchored.start_after(anchor, index, previous)
            previous = start


@pytest.mark.fm("H3")
@pytest.mark.parametrize(("zone", "change"), CASES)
def test_an_hourly_cron_bills_every_local_hour_that_exists_exactly_once(zone, change):
    midnight = datetime.combine(local(change, zone).date(), datetime.min.time())
    begin, end = instant(midnight - DAY, zone), instant(midnight + 2 * DAY, zone)
    calendar = CronCalendar("0 * * * *", zone)
    found, start = [], calendar.first_start(begin)
    while start < end:
        found.append(start)
        start = calendar.start_after(begin, len(found), start)
    existing = {local(begin + n * 10 * MINUTE, zone).replace(minute=0) for n in range((end - begin) // (10 * MINUTE))}
    assert [local(start, zone).replace(minute=0) for start in found] == sorted(existing)
    assert all(earlier < later for earlier, later in pairwise(found))


@pytest.mark.fm("H3")
@pytest.mark.parametrize(
    ("zone", "wall", "expected"),
    [
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:30"),  # skipped: 03:30 summer time
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30"),  # twice: the first, in summer time
        ("Europe/London", "2026-03-29T01:00", "2026-03-29T01:00"),  # skipped: 02:00 summer time
        ("Europe/London", "2026-10-25T01:59", "2026-10-25T00:59"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:45"),  # skipped: 02:45 summer time
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45"),
        ("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T03:00"),  # skipped: 01:00 summer time
        ("America/Sao_Paulo", "2018-02-17T23:30", "2018-02-18T01:30"),
        ("Asia/Seoul", "2026-01-31T09:00", "2026-01-31T00:00"),
    ],
)
def test_a_skipped_wall_time_moves_on_by_the_gap_and_a_doubled_one_counts_at_its_first(zone, wall, expected):
    assert instant(datetime.fromisoformat(wall), zone) == utc(expected)


@pytest.mark.fm("H3")
def test_a_subscription_that_starts_in_the_second_of_two_hours_is_not_billed_for_the_first():
    second = utc("2026-11-01T06:30")  # 01:30 in New York for the second time
    assert CronCalendar("30 1 * * *", "America/New_York").first_start(second) == utc("2026-11-02T06:30")
    assert CronCalendar("0 2 * * *", "America/New_York").first_start(second) == utc("2026-11-01T07:00")
    anchored = AnchoredCalendar(Unit.DAY, 1, "America/New_York")
    assert anchored.first_start(second) == second
    assert anchored.start_after(second, 1, second) == utc("2026-11-02T06:30")


def minutes(begin: datetime, end: datetime) -> Iterator[datetime]:
    while begin < end:
        yield begin
        begin += MINUTE


def expected_starts(at: set[int], hours: set[int], zone: str, begin: datetime, end: datetime) -> list[datetime]:
    """Minute by minute, without any cron: a wall time that exists counts once, a skipped one moves on by the gap."""
    clock, seen, found = ZoneInfo(zone), set(), set()
    for now in minutes(begin, end):
        here, wall = now.astimezone(clock), local(now, zone)
        jump = (here.utcoffset() or timedelta(0)) - ((now - MINUTE).astimezone(clock).utcoffset() or timedelta(0))
        for skipped in minutes(wall - jump, wall):
            if skipped.minute in at and skipped.hour in hours:
                found.add(now + (skipped - (wall - jump)))
        if wall not in seen and wall.minute in at and wall.hour in hours:
            found.add(now)
        seen.add(wall)
    return sorted(found)


@pytest.mark.fm("H3")
@pytest.mark.parametrize("zone", sorted(YEARS))
@settings(max_examples=30)
@given(data=st.data(), at=st.sets(st.integers(0, 59), min_size=1, max_size=4))
def test_any_minutes_and_hours_around_a_transition_fire_as_the_wall_clock_says(zone, data, at):
    change = data.draw(st.sampled_from(transitions(zone)))
    near = critical_walls(zone, change)[1].hour
    hours = data.draw(st.sets(st.sampled_from([(near + n) % 24 for n in (-1, 0, 1, 2)]), min_size=1))
    begin, end = change - 12 * HOUR, change + 12 * HOUR
    expected = expected_starts(at, hours, zone, begin, end)
    calendar = CronCalendar(f"{','.join(map(str, sorted(at)))} {','.join(map(str, sorted(hours)))} * * *", zone)
    found, start = [], calendar.first_start(begin)
    while start < end:
        found.append(start)
        start = calendar.start_after(begin, len(found), start)
    assert found == expected


@pytest.mark.fm("H3")
def test_a_cron_that_fires_inside_and_after_a_half_hour_gap_loses_no_period():
    calendar = CronCalendar("10,35 2 * * *", "Australia/Lord_Howe")
    begin = utc("2026-10-03T14:00")  # an hour and a half before 02:00 becomes 02:30
    first = calendar.first_start(begin)
    second = calendar.start_after(begin, 1, first)
    walls = [f"{local(start, 'Australia/Lord_Howe'):%H:%M}" for start in (first, second)]
    assert walls == ["02:35", "02:40"]  # 02:35 exists; 02:10 does not and moves to 02:40
