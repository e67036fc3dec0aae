"""One step of dunning: how long to wait after a decline, and for which hour or day after that.

Its text is what an operator writes and what the database keeps: `3d`, `12h`, `1d weekdays 10:00`, `1d paydays 10:00`,
`2d business-days 11:30`, `1d cron 0 10 1,16 * *`. The wait counts from the decline. The moment is the first one of the
window at or after the end of the wait, Seoul time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from croniter import CroniterError, croniter

from billing_worker.domain.calendar import refuse_random_times
from billing_worker.domain.dunning.days import business_day_from, payday_from
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.pg_limits import SEOUL

SHORTEST_WAIT = timedelta(hours=1)
"""A card that was declined is not asked again within the hour. Technical trouble has waits of its own."""
LONGEST_WAIT = timedelta(days=60)
LONGEST_WINDOW = timedelta(days=35)
"""Every window comes within a month and some days."""

UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_WAIT = re.compile(r"([0-9]{1,5})([mhd])")
LONGEST_TEXT = 100
"""Characters of a step: the longest expression that names one minute a day is shorter."""
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")

WAY_OUT = (
    "write a wait such as '3d' or '12h', or a wait and a window such as '1d weekdays 10:00', '1d paydays 10:00', "
    "'2d business-days 11:30' or '1d cron 0 10 1,16 * *'"
)


@dataclass(frozen=True, slots=True)
class Days:
    """One time of day, on each day that `first_from` finds: paydays, or business days."""

    word: str
    at: time
    first_from: Callable[[date], date]
    longest: timedelta
    """Between two of its days, at most."""

    def next_from(self, moment: datetime) -> datetime:
        """The first moment of the window at or after this one. Aware UTC."""
        here = moment.astimezone(SEOUL)
        day = here.date() if here.time() <= self.at else here.date() + timedelta(days=1)
        return datetime.combine(self.first_from(day), self.at, SEOUL).astimezone(UTC)

    @property
    def times(self) -> tuple[time, ...]:
        """The times of day at which it opens."""
        return (self.at,)

    def __str__(self) -> str:
        return f"{self.word} {self.at:%H:%M}"


@dataclass(frozen=True, slots=True)
class Cron:
    """The moments of a cron expression, Seoul time."""

    expression: str
    times: tuple[time, ...]
    """The times of day at which it may fire."""
    longest: timedelta = LONGEST_WINDOW
    """Between two of its moments, at most."""
    word: str | None = None
    """How an operator writes it, if that is not the expression."""

    def next_from(self, moment: datetime) -> datetime:
        """The first moment of the window at or after this one. Aware UTC."""
        here = moment.astimezone(SEOUL).replace(tzinfo=None) - timedelta(microseconds=1)
        fires: datetime = croniter(self.expression, here).get_next(datetime)
        return fires.replace(tzinfo=SEOUL).astimezone(UTC)

    def last_before(self, moment: datetime) -> datetime:
        """The last moment of the window before this one. Aware UTC."""
        fired: datetime = croniter(self.expression, moment.astimezone(SEOUL).replace(tzinfo=None)).get_prev(datetime)
        return fired.replace(tzinfo=SEOUL).astimezone(UTC)

    def __str__(self) -> str:
        return self.word or f"cron {self.expression}"


@dataclass(frozen=True, slots=True)
class Step:
    """A wait after a decline, and the window that the try waits for after it; None: none."""

    wait: timedelta
    window: Days | Cron | None = None

    def time_after(self, declined_at: datetime) -> datetime:
        """When the try comes, before quiet hours and caps move it. Aware UTC, later than the decline."""
        earliest = declined_at + self.wait
        return earliest if self.window is None else self.window.next_from(earliest)

    @property
    def longest(self) -> timedelta:
        """How long it may take from the decline to the try."""
        return self.wait if self.window is None else self.wait + self.window.longest

    def __str__(self) -> str:
        return wait_text(self.wait) + (f" {self.window}" if self.window else "")


DAILY: Mapping[str, tuple[Callable[[date], date], timedelta]] = {
    "paydays": (payday_from, timedelta(days=17)),
    "business-days": (business_day_from, timedelta(days=12)),
    "daily": (lambda day: day, timedelta(days=1)),
}
"""Windows on whole days, and the most days between two of them; the longest Korean holidays last eleven days."""
WEEKDAYS, WEEKEND = "1-5", timedelta(days=3)


def wait_text(wait: timedelta) -> str:
    """A wait as an operator writes it: the largest unit that needs no fraction; `0m` for none."""
    for unit, length in reversed(UNITS.items()):
        if not wait % length and (wait or length == UNITS["m"]):
            return f"{wait // length}{unit}"
    raise AssertionError(f"{wait} has no whole minutes")


def read_wait(field: str, text: str, shortest: timedelta, longest: timedelta) -> timedelta:
    """A wait such as `3d`, `12h` or `30m`. Raises InvalidInput with the bounds."""
    found = _WAIT.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(field, text, "is no wait: write a whole number and m, h or d, such as '3d' or '12h'")
    wait = int(found[1]) * UNITS[found[2]]
    if not shortest <= wait <= longest:
        raise InvalidInput(field, text, f"a wait is {wait_text(shortest)} to {wait_text(longest)}")
    return wait


@lru_cache(maxsize=1024)
def read_step(field: str, text: str) -> Step:
    """The step that this text writes. Raises InvalidInput, naming `field`, what is wrong and how to write it."""
    if len(text) > LONGEST_TEXT:
        raise InvalidInput(field, f"{text[:LONGEST_TEXT]}…", f"has at most {LONGEST_TEXT} characters")
    head, _, rest = " ".join(text.split()).partition(" ")
    wait = read_wait(field, head, SHORTEST_WAIT, LONGEST_WAIT)
    if not rest:
        return Step(wait)
    word, _, when = rest.partition(" ")
    if word == "cron":
        return Step(wait, _cron(field, when))
    if word not in DAILY and word != "weekdays":
        raise InvalidInput(field, text, f"{word!r} is no window: {WAY_OUT}")
    clock = _CLOCK.fullmatch(when)
    if clock is None:
        raise InvalidInput(field, text, f"a time of day such as 10:00 follows {word!r}")
    at = time(int(clock[1]), int(clock[2]))
    if word == "weekdays":
        return Step(wait, Cron(f"{at.minute} {at.hour} * * {WEEKDAYS}", (at,), WEEKEND, f"weekdays {at:%H:%M}"))
    return Step(wait, Days(word, at, *DAILY[word]))


def _cron(field: str, expression: str) -> Cron:
    if len(expression.split()) != 5:  # noqa: PLR2004 - minute, hour, day, month, weekday
        raise InvalidInput(field, expression, "a cron window needs five fields: minute hour day month weekday")
    refuse_random_times(field, expression)
    try:
        (minutes, hours, *_), _ = croniter.expand(expression)
    except (CroniterError, ValueError) as error:
        raise InvalidInput(field, expression, f"is not a cron expression: {error}") from error
    if len(minutes) != 1 or minutes == ["*"]:
        raise InvalidInput(field, expression, "a window opens once an hour at most: give one minute, such as '0'")
    whole = range(24) if hours == ["*"] else hours
    window = Cron(expression, tuple(time(int(hour), int(minutes[0])) for hour in whole))
    _refuse_long_gaps(field, window)
    return window


def _refuse_long_gaps(field: str, window: Cron) -> None:
    """Look at each week: a gap that is too long has one with nothing in the four weeks after it."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    end = moment + YEARS_SEEN
    while moment < end:
        try:
            found = window.next_from(moment)
        except CroniterError as error:
            raise InvalidInput(field, window.expression, "never comes") from error
        if found - moment > LONGEST_WINDOW - A_WEEK and found - window.last_before(found) > LONGEST_WINDOW:
            problem = f"leaves more than {LONGEST_WINDOW.days} days without a try; name more days"
            raise InvalidInput(field, window.expression, problem)
        moment += A_WEEK


A_WEEK = timedelta(days=7)
YEARS_SEEN = timedelta(days=4 * 365 + 1)
"""A leap year is among them."""
