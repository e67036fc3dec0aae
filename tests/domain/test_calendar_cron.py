from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_worker.domain.calendar import AnchoredCalendar, CronCalendar, Unit
from billing_worker.domain.errors import InvalidInput
from tests.builders import utc

SEOUL = ZoneInfo("Asia/Seoul")


def starts(calendar: CronCalendar, begin: datetime, count: int) -> list[datetime]:
    found = [calendar.first_start(begin)]
    while len(found) < count:
        found.append(calendar.start_after(begin, len(found), found[-1]))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 9 1 * *", ["2026-01-01T09:00", "2026-02-01T09:00", "2026-03-01T09:00"]),
        ("0 9 * * 1", ["2026-01-05T09:00", "2026-01-12T09:00", "2026-01-19T09:00"]),
        ("0 9 * * MON", ["2026-01-05T09:00", "2026-01-12T09:00"]),
        ("0 9 * * 7", ["2026-01-04T09:00", "2026-01-11T09:00"]),
        ("0 9 L * *", ["2026-01-31T09:00", "2026-02-28T09:00", "2026-03-31T09:00", "2026-04-30T09:00"]),
        ("0 9 l * *", ["2026-01-31T09:00", "2026-02-28T09:00"]),
        ("0 9 15,L * *", ["2026-01-15T09:00", "2026-01-31T09:00", "2026-02-15T09:00", "2026-02-28T09:00"]),
        ("0 0 30 4 *", ["2026-04-30T00:00", "2027-04-30T00:00"]),
        ("0 0 31 1,3,5 *", ["2026-01-31T00:00", "2026-03-31T00:00", "2026-05-31T00:00", "2027-01-31T00:00"]),
        ("0 9 1,15 * *", ["2026-01-01T09:00", "2026-01-15T09:00", "2026-02-01T09:00"]),
        ("0 9 1 JAN,APR,JUL,OCT *", ["2026-01-01T09:00", "2026-04-01T09:00", "2026-07-01T09:00"]),
        ("0 9 1 */3 *", ["2026-01-01T09:00", "2026-04-01T09:00", "2026-07-01T09:00"]),
        ("0 9 * * 1#1", ["2026-01-05T09:00", "2026-02-02T09:00", "2026-03-02T09:00"]),
        ("0 9 * * L5", ["2026-01-30T09:00", "2026-02-27T09:00", "2026-03-27T09:00"]),
        ("30 6,18 * * *", ["2026-01-01T06:30", "2026-01-01T18:30", "2026-01-02T06:30"]),
        ("*/20 0 1 1 *", ["2026-01-01T00:00", "2026-01-01T00:20", "2026-01-01T00:40", "2027-01-01T00:00"]),
        ("0 9 1-31 * *", ["2026-01-01T09:00", "2026-01-02T09:00"]),
        ("0 9 28 * *", ["2026-01-28T09:00", "2026-02-28T09:00"]),
        ("0 9 ? * 1", ["2026-01-05T09:00", "2026-01-12T09:00"]),
    ],
)
def test_a_period_starts_whenever_the_expression_fires_on_the_wall_clock(expression, expected):
    calendar = CronCalendar(expression)
    begin = datetime(2026, 1, 1, tzinfo=SEOUL).astimezone(UTC)
    found = [f"{start.astimezone(SEOUL):%Y-%m-%dT%H:%M}" for start in starts(calendar, begin, len(expected))]
    assert found == expected


@pytest.mark.fm("H4")
def test_l_is_the_last_day_of_every_month_for_40_years():
    found = starts(CronCalendar("0 0 L * *"), datetime(2026, 1, 1, tzinfo=SEOUL).astimezone(UTC), 480)
    local = [start.astimezone(SEOUL) for start in found]
    assert [(day.year, day.month) for day in local] == [(2026 + n // 12, n % 12 + 1) for n in range(480)]
    assert all((day + timedelta(days=1)).day == 1 for day in local)


@pytest.mark.parametrize(
    ("begin", "first"),
    [
        ("2026-01-31T15:00:00", "2026-02-01T00:00"),  # midnight in Seoul, nine hours before the expression fires
        ("2026-02-01T00:00:00", "2026-02-01T00:00"),  # exactly then
        ("2026-02-01T00:00:00.000001", "2026-03-01T00:00"),
        ("2026-01-31T23:59:59.999999", "2026-02-01T00:00"),
    ],
)
def test_the_first_period_starts_when_the_expression_fires_at_or_after_the_subscriptions_start(begin, first):
    assert CronCalendar("0 9 1 * *").first_start(utc(begin)) == utc(first)


@pytest.mark.fm("H5")
def test_the_wall_clock_is_that_of_the_plans_zone():
    begin = utc("2026-01-15T00:00")
    assert CronCalendar("0 0 1 * *").first_start(begin) == utc("2026-01-31T15:00")
    assert CronCalendar("0 0 1 * *", "UTC").first_start(begin) == utc("2026-02-01T00:00")
    assert CronCalendar("0 0 1 * *", "America/New_York").first_start(begin) == utc("2026-02-01T05:00")


def test_the_anchor_and_the_index_do_not_matter_to_a_cron_calendar():
    calendar, previous = CronCalendar("0 9 1 * *"), utc("2026-02-01T00:00")
    assert calendar.start_after(utc("2020-01-01T00:00"), 7, previous) == utc("2026-03-01T00:00")


@pytest.mark.parametrize(
    "expression",
    ["", " ", "0", "0 9 1 *", "0 9 1 * * 0", "0 0 9 1 * *", "0 9 1 * * * 2026", "@daily", "@monthly", "every month"],
)
def test_an_expression_without_exactly_five_fields_is_refused(expression):
    with pytest.raises(InvalidInput) as refused:
        CronCalendar(expression)
    assert refused.value.field == "cron"
    assert "five fields: minute hour day month weekday, e.g. '0 9 1 * *'" in str(refused.value)


@pytest.mark.parametrize(
    "expression",
    [
        *("60 9 1 * *", "0 24 1 * *", "0 9 0 * *", "0 9 32 * *", "0 9 1 13 *", "0 9 1 0 *", "0 9 * * 8"),
        *("a 9 1 * *", "0 9 1 FOO *", "0 9 -1 * *", "0 9 1- * *", "0 9 1,, * *", "*/0 9 1 * *", "0 9 L-3 * *"),
        *("0 9 * * 1#6", "0 9 1 * 5L", "1.5 9 1 * *", "0 9 1 * é"),
    ],
)
def test_bad_syntax_is_refused_as_cron(expression):
    with pytest.raises(InvalidInput) as refused:
        CronCalendar(expression)
    assert refused.value.field == "cron"
    assert repr(expression) in str(refused.value)


@pytest.mark.parametrize(
    "expression",
    [
        *("H 9 1 * *", "0 H 1 * *", "R 9 1 * *", "0 R 1 * *", "h 9 1 * *", "r(0-10) 9 1 * *", "H/15 9 1 * *"),
        *("0 9 H * *", "0 9 R * *", "0 9 r * *", "0 9 R(1-5) * *", "0 9 1 H *", "0 9 1 R *", "0 9 * * H", "0 9 * * R"),
    ],
)
def test_random_times_are_refused_in_every_field(expression):
    with pytest.raises(InvalidInput) as refused:
        CronCalendar(expression)
    assert refused.value.field == "cron"


@pytest.mark.parametrize(
    ("expression", "day", "month"),
    [
        ("0 9 29 * *", 29, 2),
        ("0 9 30 * *", 30, 2),
        ("0 9 31 * *", 31, 2),
        ("0 9 29 2 *", 29, 2),
        ("0 9 31 4 *", 31, 4),
        ("0 9 31 1-6 *", 31, 2),
        ("0 9 31 3,6 *", 31, 6),
        ("0 9 1,31 * *", 31, 2),
        ("0 9 */2 * *", 29, 2),
        ("0 9 1-30 * *", 29, 2),
        ("0 9 31 NOV *", 31, 11),
        ("0 9 31 * 1", 31, 2),
        ("0 9 31W * *", 31, 2),
    ],
)
def test_a_day_that_some_billed_month_lacks_is_refused_and_the_alternatives_are_named(expression, day, month):
    with pytest.raises(InvalidInput) as refused:
        CronCalendar(expression)
    message = str(refused.value)
    assert refused.value.field == "cron"
    assert f"day {day} does not exist in every month {month}" in message
    assert "'0 9 L * *'" in message
    assert "anchored" in message
    assert "unit month" in message


def test_the_alternatives_that_a_refusal_names_are_accepted():
    assert CronCalendar("0 9 L * *").first_start(utc("2026-02-01T00:00")) == utc("2026-02-28T00:00")
    assert AnchoredCalendar(Unit.MONTH, 1).start_after(utc("2026-01-31T00:00"), 1, utc("2026-01-31T00:00")) == utc(
        "2026-02-28T00:00"
    )
    assert CronCalendar("0 9 * * L1").first_start(utc("2026-02-01T00:00")) == utc("2026-02-23T00:00")


@pytest.mark.parametrize("expression", ["0 9 * * 1#5", "0 9 * * 5#5,1#1", "0 9 * * MON#5"])
def test_a_fifth_weekday_is_refused_and_the_last_one_is_offered(expression):
    with pytest.raises(InvalidInput) as refused:
        CronCalendar(expression)
    assert "fifth weekday" in str(refused.value)
    assert "'0 9 * * L1'" in str(refused.value)


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    """One cron field: everything, a list, a range or a step."""
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        st.lists(number, min_size=1, max_size=3).map(lambda numbers: ",".join(map(str, numbers))),
        st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}"),
        st.integers(1, high).map(lambda step: f"*/{step}"),
    )


EXPRESSIONS = st.tuples(
    fields(0, 59), fields(0, 23), st.one_of(fields(1, 28), st.just("L")), fields(1, 12), fields(0, 6)
).map(" ".join)
BEGIN = st.datetimes(datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2040-01-01"), timezones=st.just(UTC))


@given(
    expression=EXPRESSIONS,
    begin=BEGIN,
    zone=st.sampled_from(["Asia/Seoul", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe"]),
)
def test_starts_of_any_accepted_cron_strictly_increase(expression, begin, zone):
    try:
        calendar = CronCalendar(expression, zone)
    except InvalidInput:  # */2 in the days reaches day 29 and 31
        return
    found = starts(calendar, begin, 15)
    assert found[0] >= begin
    assert all(earlier < later for earlier, later in pairwise(found))
    assert all(start.tzinfo is UTC and (start.second, start.microsecond) == (0, 0) for start in found)


@settings(max_examples=40)
@given(days=st.sets(st.integers(1, 28), min_size=1), months=st.sets(st.integers(1, 12), min_size=1), begin=BEGIN)
def test_lists_of_days_and_months_fire_on_exactly_those_dates(days, months, begin):
    expression = f"0 0 {','.join(map(str, sorted(days)))} {','.join(map(str, sorted(months)))} *"
    found = [start.astimezone(SEOUL).date() for start in starts(CronCalendar(expression), begin, 20)]
    expected: list[date] = []
    day = (begin - timedelta(microseconds=1)).astimezone(SEOUL).date() + timedelta(days=1)
    while len(expected) < 20:
        if day.day in days and day.month in months:
            expected.append(day)
        day += timedelta(days=1)
    assert found == expected


@pytest.mark.parametrize("day", range(1, 32))
@pytest.mark.parametrize("month", range(1, 13))
def test_a_date_is_accepted_exactly_when_every_year_has_it(day, month):
    try:
        date(2026, month, day)
    except ValueError:
        with pytest.raises(InvalidInput):
            CronCalendar(f"0 0 {day} {month} *")
    else:
        assert len(starts(CronCalendar(f"0 0 {day} {month} *"), utc("2026-01-01T00:00"), 6)) == 6
