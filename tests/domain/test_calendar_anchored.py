from calendar import isleap, monthrange
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.calendar import LARGEST_COUNT, AnchoredCalendar, CronCalendar, Unit, instant, zone_named
from billing_worker.domain.errors import InvalidInput
from tests.builders import utc

SEOUL = ZoneInfo("Asia/Seoul")
ZONES = ["Asia/Seoul", "UTC", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Casablanca"]


def starts(calendar: AnchoredCalendar, anchor: datetime, count: int) -> list[datetime]:
    found = [calendar.first_start(anchor)]
    for index in range(1, count):
        found.append(calendar.start_after(anchor, index, found[-1]))
    return found


def days(calendar: AnchoredCalendar, day: str, count: int) -> list[str]:
    """The local dates of the first starts, for an anchor at nine in the morning of that day in the plan's zone."""
    anchor = instant(datetime.fromisoformat(f"{day}T09:00"), calendar.zone)
    return [f"{start.astimezone(ZoneInfo(calendar.zone)):%Y-%m-%d}" for start in starts(calendar, anchor, count)]


@pytest.mark.fm("H4")
@pytest.mark.parametrize(
    ("unit", "count", "day", "expected"),
    [
        ("day", 1, "2026-02-27", ["2026-02-27", "2026-02-28", "2026-03-01"]),
        ("day", 1, "2028-02-28", ["2028-02-28", "2028-02-29", "2028-03-01"]),
        ("day", 30, "2026-01-31", ["2026-01-31", "2026-03-02", "2026-04-01"]),
        ("week", 1, "2026-12-28", ["2026-12-28", "2027-01-04", "2027-01-11"]),
        ("week", 2, "2028-02-22", ["2028-02-22", "2028-03-07", "2028-03-21"]),
        ("month", 1, "2026-01-28", ["2026-01-28", "2026-02-28", "2026-03-28"]),
        ("month", 1, "2026-01-29", ["2026-01-29", "2026-02-28", "2026-03-29"]),
        ("month", 1, "2028-01-29", ["2028-01-29", "2028-02-29", "2028-03-29"]),
        ("month", 1, "2026-01-30", ["2026-01-30", "2026-02-28", "2026-03-30"]),
        ("month", 1, "2028-01-30", ["2028-01-30", "2028-02-29", "2028-03-30"]),
        ("month", 1, "2026-01-31", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("month", 1, "2028-01-31", ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]),
        ("month", 1, "2026-02-28", ["2026-02-28", "2026-03-28", "2026-04-28"]),
        ("month", 1, "2100-01-31", ["2100-01-31", "2100-02-28", "2100-03-31"]),
        ("month", 1, "2037-12-31", ["2037-12-31", "2038-01-31", "2038-02-28"]),
        ("month", 3, "2026-11-30", ["2026-11-30", "2027-02-28", "2027-05-30", "2027-08-30"]),
        ("month", 6, "2026-08-31", ["2026-08-31", "2027-02-28", "2027-08-31", "2028-02-29"]),
        ("month", 12, "2024-02-29", ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("year", 1, "2024-02-29", ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("year", 4, "2024-02-29", ["2024-02-29", "2028-02-29", "2032-02-29"]),
        ("year", 1, "2026-12-31", ["2026-12-31", "2027-12-31", "2028-12-31"]),
    ],
)
def test_periods_are_counted_from_the_anchor(unit, count, day, expected):
    assert days(AnchoredCalendar(Unit(unit), count), day, len(expected)) == expected


@pytest.mark.fm("H4")
@pytest.mark.parametrize("day", range(1, 32))
def test_for_400_years_the_day_is_the_anchor_day_or_the_last_of_a_shorter_month(day):
    calendar = AnchoredCalendar(Unit.MONTH, 1)
    anchor = datetime(2000, 1, day, 9, tzinfo=SEOUL).astimezone(UTC)
    found = starts(calendar, anchor, 400 * 12)
    for index, start in enumerate(found):
        local = start.astimezone(SEOUL)
        year, month = 2000 + index // 12, index % 12 + 1
        assert (local.year, local.month, local.day) == (year, month, min(day, monthrange(year, month)[1]))
        assert (local.hour, local.minute) == (9, 0)
    assert all(earlier < later for earlier, later in pairwise(found))


@pytest.mark.fm("H6")
def test_a_29_february_comes_back_in_every_leap_year_of_400_years():
    found = days(AnchoredCalendar(Unit.YEAR, 1), "2000-02-29", 400)
    for year, day in enumerate(found, start=2000):
        assert day == f"{year}-02-{29 if isleap(year) else 28}"


@given(
    anchor=st.datetimes(
        datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2100-01-01"), timezones=st.just(UTC)
    ),
    calendar=st.builds(
        AnchoredCalendar, st.sampled_from(Unit), st.integers(min_value=1, max_value=10), st.sampled_from(ZONES)
    ),
)
def test_starts_strictly_increase_and_keep_the_time_of_day(anchor, calendar):
    zone = ZoneInfo(calendar.zone)
    found = starts(calendar, anchor, 120)
    assert found[0] == anchor
    assert all(earlier < later for earlier, later in pairwise(found))
    assert all(start.tzinfo is UTC for start in found)
    moved = [start for start in found if start.astimezone(zone).time() != anchor.astimezone(zone).time()]
    for start in moved:  # only a local time that summer time skips may move
        assert start.astimezone(zone).utcoffset() != (start - timedelta(hours=3)).astimezone(zone).utcoffset()


@given(index=st.integers(min_value=1, max_value=5000), previous=st.datetimes(timezones=st.just(UTC)))
def test_a_start_depends_on_anchor_and_index_only(index, previous):
    calendar, anchor = AnchoredCalendar(Unit.MONTH, 1), utc("2026-01-31T00:00")
    assert calendar.start_after(anchor, index, previous) == calendar.start_after(anchor, index, anchor)


@pytest.mark.fm("H5")
@pytest.mark.parametrize(
    ("zone", "anchor", "second"),
    [
        # Half past midnight on the 31st in Seoul is still the 30th in UTC.
        ("Asia/Seoul", "2026-01-30T15:30", "2026-02-27T15:30"),
        ("UTC", "2026-01-30T15:30", "2026-02-28T15:30"),
        ("Asia/Seoul", "2026-03-30T15:00", "2026-04-29T15:00"),
        ("UTC", "2026-03-30T15:00", "2026-04-30T15:00"),
        ("Asia/Seoul", "2026-03-30T14:59:59", "2026-04-30T14:59:59"),
        ("America/New_York", "2026-02-01T03:00", "2026-03-01T03:00"),  # 31 January, 22:00 there
    ],
)
def test_the_day_is_the_day_in_the_plans_zone(zone, anchor, second):
    calendar = AnchoredCalendar(Unit.MONTH, 1, zone)
    assert calendar.start_after(utc(anchor), 1, utc(anchor)) == utc(second)


def test_the_zone_is_seoul_unless_told_otherwise():
    assert AnchoredCalendar(Unit.MONTH, 1).zone == CronCalendar("0 9 1 * *").zone == "Asia/Seoul"


@pytest.mark.parametrize("unit", list(Unit))
def test_counts_from_one_to_the_largest_are_accepted_and_no_others(unit):
    largest = LARGEST_COUNT[unit]
    assert AnchoredCalendar(unit, 1).count == 1
    assert AnchoredCalendar(unit, largest).count == largest
    for count in (0, -1, largest + 1, True):
        with pytest.raises(InvalidInput) as refused:
            AnchoredCalendar(unit, count)
        assert refused.value.field == "interval_count"
        assert f"between 1 and {largest} {unit}s" in str(refused.value)


@pytest.mark.parametrize("count", [1.5, 2.0, float("nan")])
def test_a_count_that_is_not_a_whole_number_is_refused(count):
    with pytest.raises(InvalidInput) as refused:
        AnchoredCalendar(Unit.MONTH, count)
    assert refused.value.field == "interval_count"


@pytest.mark.parametrize(
    "zone", ["", "Asia/Nowhere", "KST", "Asia", "../etc/passwd", "/etc/localtime", "\0", "a" * 300]
)
def test_a_zone_that_the_tz_database_does_not_know_is_refused(zone):
    for build in (lambda: AnchoredCalendar(Unit.DAY, 1, zone), lambda: CronCalendar("0 9 1 * *", zone)):
        with pytest.raises(InvalidInput) as refused:
            build()
        assert refused.value.field == "timezone"
        assert "such as Asia/Seoul" in str(refused.value)


def test_zone_named_gives_the_zone():
    assert zone_named("Asia/Seoul") == SEOUL


@pytest.mark.parametrize(
    ("calendar", "text"),
    [
        (AnchoredCalendar(Unit.MONTH, 1), "every month"),
        (AnchoredCalendar(Unit.WEEK, 2), "every 2 weeks"),
        (CronCalendar("0 9 1 * *"), "cron '0 9 1 * *'"),
    ],
)
def test_a_calendar_reads_as_words(calendar, text):
    assert str(calendar) == text
