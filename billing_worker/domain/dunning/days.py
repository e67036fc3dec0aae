"""Days on which Korean banks work, and the days on which salaries arrive."""

from datetime import date, timedelta
from functools import lru_cache

from holidays import country_holidays

SATURDAY = 5
PAYDAYS = (10, 15, 21, 25)
"""Common days of salaries in Korea, beside the last day of the month."""


def is_business_day(day: date) -> bool:
    """Whether Korean banks work on this day: no Saturday, Sunday, public or substitute holiday.

    The days are those of the library `holidays`. A holiday that the government declares later is known after its next
    release.
    """
    return day.weekday() < SATURDAY and day not in _holidays(day.year)


def business_day_from(day: date) -> date:
    """This day if it is a business day, else the next one."""
    while not is_business_day(day):
        day += timedelta(days=1)
    return day


def payday_from(day: date) -> date:
    """The first payday on or after this day. A salary that falls on a day off is paid on the business day before."""
    for ahead in range(LONGEST_SEARCH):
        nominal = day + timedelta(days=ahead)
        if is_nominal_payday(nominal) and (paid := _business_day_until(nominal)) >= day:
            return paid
    raise AssertionError(f"no payday within {LONGEST_SEARCH} days of {day}")


LONGEST_SEARCH = 62


def is_nominal_payday(day: date) -> bool:
    """Whether salaries are due on this day of the month, business day or not."""
    return day.day in PAYDAYS or (day + timedelta(days=1)).day == 1


def _business_day_until(day: date) -> date:
    while not is_business_day(day):
        day -= timedelta(days=1)
    return day


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    return frozenset(country_holidays("KR", years=year))
