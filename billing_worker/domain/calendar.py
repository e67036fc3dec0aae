"""Billing calendars: when the periods of a subscription start.

Two kinds. An *anchored* calendar counts days, weeks, months or years from the subscription's own start, in the
plan's time zone: day 31 falls on the last day of a short month and comes back to 31. A *cron* calendar starts a period
whenever a cron expression fires, read as wall-clock time in the plan's zone.

Both promise: starts strictly increase, and each local wall-clock time counts once. A local time that a change to
summer time skips is moved forward by the length of the gap; one that happens twice counts at its first occurrence.
"""

import heapq
import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count, islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterError, croniter

from billing_worker.domain.errors import InvalidInput

DEFAULT_ZONE = "Asia/Seoul"

SHORTEST_MONTH = {month: monthrange(2026, month)[1] for month in range(1, 13)}
"""The days that a month has in every year; 2026 is not a leap year."""

LARGEST_COUNT = {"day": 3660, "week": 520, "month": 120, "year": 10}
"""Every plan bills at least once in ten years."""

SHORTEST = {"day": 1, "week": 7, "month": 28, "year": 365}
LONGEST = {"day": 1, "week": 7, "month": 31, "year": 366}
"""Days."""


_RANDOM = re.compile(r"(?<![A-Za-z])[HhRr](?![A-Za-z])")


class Unit(StrEnum):
    """What an anchored calendar counts."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class AnchoredCalendar:
    """Every `count` units, counted from the subscription's start."""

    unit: Unit
    count: int
    zone: str = DEFAULT_ZONE

    def __post_init__(self) -> None:
        zone_named(self.zone)
        if (
            isinstance(self.count, bool)
            or not isinstance(self.count, int)
            or not 1 <= self.count <= LARGEST_COUNT[self.unit]
        ):
            problem = f"must be between 1 and {LARGEST_COUNT[self.unit]} {self.unit}s"
            raise InvalidInput("interval_count", self.count, problem)

    def first_start(self, start: datetime) -> datetime:
        """The first period starts when the subscription does."""
        return start

    def start_after(self, anchor: datetime, index: int, previous: datetime) -> datetime:  # noqa: ARG002 - one interface
        """The start of period number `index` (0 is the first), counted from the anchor, never from `previous`."""
        wall = anchor.astimezone(zone_named(self.zone)).replace(tzinfo=None)
        steps = self.count * index
        match self.unit:
            case Unit.DAY:
                wall += timedelta(days=steps)
            case Unit.WEEK:
                wall += timedelta(weeks=steps)
            case Unit.MONTH:
                wall = plus_months(wall, steps)
            case Unit.YEAR:
                wall = plus_months(wall, 12 * steps)
        return instant(wall, self.zone)

    def starts(self, anchor: datetime, index: int, start: datetime) -> Iterator[datetime]:
        """The start of period number `index`, which is `start`, and of every later period."""
        yield start
        yield from (self.start_after(anchor, later, start) for later in count(index + 1))

    def begun(self, anchor: datetime, index: int, start: datetime, until: datetime, most: int) -> int:
        """The number of periods from `index` on that start at or before `until`, counted up to `most`."""
        if start > until:
            return 0
        # One fewer and two more than the division gives: a change of summer time may shift a start by hours.
        days = (until - start).days
        least = max(0, days // (LONGEST[self.unit] * self.count) - 1)
        later = range(min(most, days // (SHORTEST[self.unit] * self.count) + 3))
        if least >= len(later):
            return len(later)
        return bisect_right(later, until, max(1, least), key=lambda step: self.start_after(anchor, index + step, start))

    def __str__(self) -> str:
        return f"every {self.unit}" if self.count == 1 else f"every {self.count} {self.unit}s"


@dataclass(frozen=True, slots=True)
class CronCalendar:
    """Whenever a five-field cron expression fires in the plan's zone."""

    expression: str
    zone: str = DEFAULT_ZONE

    def __post_init__(self) -> None:
        zone_named(self.zone)
        _refuse_bad_cron(self.expression)

    def first_start(self, start: datetime) -> datetime:
        """The first time the expression fires at or after the subscription's start."""
        return self._next(start - timedelta(microseconds=1))

    def start_after(self, anchor: datetime, index: int, previous: datetime) -> datetime:  # noqa: ARG002 - one interface
        """The next time the expression fires after the start of the period before."""
        return self._next(previous)

    def starts(self, anchor: datetime, index: int, start: datetime) -> Iterator[datetime]:  # noqa: ARG002 - as above
        """`start`, and every later time at which the expression fires: the same as calling `start_after` repeatedly."""
        yield start
        zone, last = zone_named(self.zone), start
        fires = croniter(self.expression, start.astimezone(zone).replace(tzinfo=None) - timedelta(hours=3))
        waiting: list[datetime] = []
        while True:
            fire = fires.get_next(datetime)
            # A start that a gap moved forward may come after later wall times, so it waits for its turn.
            while waiting and fire >= waiting[0].astimezone(zone).replace(tzinfo=None):
                if (earliest := heapq.heappop(waiting)) > last:
                    last = earliest
                    yield last
            heapq.heappush(waiting, instant(fire, self.zone))

    def begun(self, anchor: datetime, index: int, start: datetime, until: datetime, most: int) -> int:
        """The number of periods, including `start`, that begin at or before `until`, counted up to `most`."""
        upto = takewhile(lambda begins: begins <= until, self.starts(anchor, index, start))
        return sum(1 for _ in islice(upto, most))

    def _next(self, after: datetime) -> datetime:
        wall = after.astimezone(zone_named(self.zone)).replace(tzinfo=None)
        # Starting a moment earlier finds a wall time that the change back to winter time repeats. The loop then drops
        # every start that is not later in real time. So a gap never loses a bill, and a repeated hour never bills
        # twice.
        fires = croniter(self.expression, wall - timedelta(hours=3))
        earliest: datetime | None = None
        while True:
            fire = fires.get_next(datetime)
            # A skipped wall time moves forward, and one after the gap may come before it: look that far ahead.
            if earliest is not None and fire >= earliest.astimezone(zone_named(self.zone)).replace(tzinfo=None):
                return earliest
            candidate = instant(fire, self.zone)
            if candidate > after and (earliest is None or candidate < earliest):
                earliest = candidate

    def __str__(self) -> str:
        return f"cron {self.expression!r}"


BillingCalendar = AnchoredCalendar | CronCalendar


def zone_named(name: str) -> ZoneInfo:
    """The time zone with this IANA name. Raises InvalidInput for a name that the tz database does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput("timezone", name, "is not an IANA time zone such as Asia/Seoul") from error


def instant(wall: datetime, zone: str) -> datetime:
    """The UTC instant of a wall-clock time: the first of a repeated pair; moved past a gap by the length of the gap."""
    return wall.replace(tzinfo=zone_named(zone), fold=0).astimezone(UTC)


def plus_months(wall: datetime, months: int) -> datetime:
    """The same day and time so many months later; the last day of a shorter month."""
    years, month0 = divmod(wall.month - 1 + months, 12)
    year, month = wall.year + years, month0 + 1
    return wall.replace(year=year, month=month, day=min(wall.day, monthrange(year, month)[1]))


def refuse_random_times(field: str, expression: str) -> None:
    """Refuse the letters of a cron expression that croniter replaces by chance. Raises InvalidInput."""
    if any(_RANDOM.search(part) for part in expression.split()):
        raise InvalidInput(field, expression, "must be the same for everyone: H and R (random times) are refused")


def _refuse_bad_cron(expression: str) -> None:
    fields = expression.split()
    if len(fields) != 5:  # noqa: PLR2004 - minute, hour, day, month, weekday
        raise InvalidInput("cron", expression, "needs five fields: minute hour day month weekday, e.g. '0 9 1 * *'")
    refuse_random_times("cron", expression)
    try:
        columns, nth_weekdays = croniter.expand(expression)
    except (CroniterError, ValueError) as error:
        raise InvalidInput("cron", expression, f"is not a cron expression: {error}") from error
    if any(5 in nths for nths in nth_weekdays.values()):  # noqa: PLR2004 - the fifth of a weekday
        problem = "names a fifth weekday, which some months do not have; use L (e.g. '0 9 * * L1', the last Monday)"
        raise InvalidInput("cron", expression, problem)
    days, months = columns[2], columns[3]
    if days == ["*"]:
        return
    billed_months = range(1, 13) if months == ["*"] else [month for month in months if isinstance(month, int)]
    for month in billed_months:
        for day in days:
            if isinstance(day, int) and day > SHORTEST_MONTH[month]:
                problem = (
                    f"day {day} does not exist in every month {month}, so that a period would be skipped; use L for "
                    f"the last day ('{fields[0]} {fields[1]} L * *') or a calendar anchored on the start (unit month)"
                )
                raise InvalidInput("cron", expression, problem)
