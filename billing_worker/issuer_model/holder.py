"""One holder whose charge is declined: hidden days of money, limits, moods and outages, drawn once from a seed."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import log
from random import Random

from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.days import is_business_day
from billing_worker.domain.pg_limits import SEOUL
from billing_worker.issuer_model.parameters import Cause, Parameters

DAY = timedelta(days=1)
LAST_DAY = 31
"""How the parameters write the last day of a month."""
SEEN = timedelta(days=75)
"""How far a holder's future is drawn."""
BEFORE = timedelta(days=40)
"""How far a holder's past is drawn: the last payday may be a month ago."""


@dataclass(slots=True)
class Holder:
    """What a card would say at any time, until the holder reacts to a notice."""

    cause: Cause
    parameters: Parameters
    funded: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Half-open times with enough money, in order."""
    until: datetime | None = None
    """When a limit resets or an outage ends."""
    day_seed: int = 0
    leaves_at: datetime | None = None
    words: Category = Category.UNKNOWN
    """The category that a decline for its cause says."""

    def answer(self, at: datetime) -> Category | None:
        """None if the card approves at this time, else the category of the decline."""
        if self.leaves_at is not None and at >= self.leaves_at:
            return Category.STOPPED_BY_HOLDER
        if self.cause is Cause.MONEY and self.parameters.closed.holds(at.astimezone(SEOUL).time()):
            return Category.MAINTENANCE
        return None if self._approves(at) else self.words

    def _approves(self, at: datetime) -> bool:
        match self.cause:
            case Cause.DEAD:
                return False
            case Cause.MONEY:
                return self._has_money(at)
            case Cause.REFUSED:
                return self._draw(at) < self.parameters.refused_approves
            case Cause.OUTAGE:
                return self.until is not None and at >= self.until
            case Cause.LIMIT:
                return self.until is not None and at >= self.until and not self._limited_again(at)

    def _has_money(self, at: datetime) -> bool:
        place = bisect_right(self.funded, at, key=lambda span: span[0]) - 1
        return place >= 0 and at < self.funded[place][1]

    def _draw(self, at: datetime) -> float:
        """The same number for every try of one day."""
        return Random(self.day_seed * 100_003 + at.astimezone(SEOUL).toordinal()).random()  # noqa: S311 - a model

    def _limited_again(self, at: datetime) -> bool:
        here = at.astimezone(SEOUL)
        used = (here.hour + here.minute / 60) / 24
        return self._draw(at) < self.parameters.daily_limit_again * used


def draw(parameters: Parameters, chance: Random, at: datetime) -> Holder:
    """A holder of this world, as seen when a charge at this time was declined."""
    causes = list(parameters.causes)
    cause = chance.choices(causes, [parameters.causes[each] for each in causes])[0]
    holder = Holder(cause, parameters, day_seed=chance.getrandbits(40))
    holder.leaves_at = at + DAY * chance.expovariate(1 / parameters.leaves_after)
    match cause:
        case Cause.MONEY:
            _draw_money(holder, chance, at)
        case Cause.LIMIT:
            holder.words = Category.LIMIT
            holder.until = _midnight(at) if chance.random() < parameters.daily_limits else _month_start(at)
        case Cause.REFUSED:
            holder.words = Category.ISSUER_REFUSED
        case Cause.OUTAGE:
            holder.words = chance.choice((Category.COMMUNICATION, Category.MAINTENANCE))
            sigma = log(24 / parameters.outage_median) / 1.645
            holder.until = at + timedelta(hours=chance.lognormvariate(log(parameters.outage_median), sigma))
        case Cause.DEAD:
            holder.words = chance.choice((Category.EXPIRED, Category.STOPPED_BY_HOLDER, Category.LOST_OR_STOLEN))
    return holder


def draw_declined(parameters: Parameters, chance: Random, at: datetime) -> Holder:
    """A holder whose card declines at this time."""
    while True:
        holder = draw(parameters, chance, at)
        if holder.answer(at) is not None and holder.leaves_at is not None and holder.leaves_at > at:
            return holder


def _draw_money(holder: Holder, chance: Random, at: datetime) -> None:
    parameters = holder.parameters
    roll = chance.random()
    holder.words = Category.BALANCE
    if roll < parameters.hidden_money:
        holder.words = Category.ISSUER_REFUSED
    elif roll < parameters.hidden_money + parameters.money_says_limit:
        holder.words = Category.LIMIT
    days = list(parameters.paydays)
    shares = [parameters.paydays[day] for day in days]
    payday = chance.choices([*days, None], [*shares, max(0.0, 1 - sum(shares))])[0]
    mean = parameters.spent_within * chance.gammavariate(2, 0.5)
    spans: list[tuple[datetime, datetime]] = []
    if payday is not None:
        hour = min(18.0, chance.expovariate(1 / parameters.salary_hour))
        spans += [
            (paid, paid + DAY * chance.expovariate(1 / mean))
            for paid in _salaries(at - BEFORE, at + SEEN, payday, hour)
        ]
    every = parameters.inflow_every if payday is not None else parameters.inflow_every / 2
    inflow = at - BEFORE + DAY * chance.expovariate(1 / every)
    while inflow < at + SEEN:
        spans.append((inflow, inflow + DAY * chance.expovariate(1 / parameters.inflow_lasts)))
        inflow += DAY * chance.expovariate(1 / every)
    holder.funded = _joined(spans)


def _salaries(start: datetime, end: datetime, payday: int, hour: float) -> list[datetime]:
    """When salaries arrive: on the business day before, where the day itself is none."""
    found = []
    day = start.astimezone(SEOUL).date()
    while day <= end.astimezone(SEOUL).date():
        is_last = (day + DAY).day == 1
        if (payday == LAST_DAY and is_last) or (payday != LAST_DAY and day.day == payday):
            paid = day
            while not is_business_day(paid):
                paid -= DAY
            found.append(
                datetime(paid.year, paid.month, paid.day, tzinfo=SEOUL).astimezone(UTC) + timedelta(hours=hour)
            )
        day += DAY
    return found


def _joined(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _midnight(at: datetime) -> datetime:
    here = at.astimezone(SEOUL) + DAY
    return here.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def _month_start(at: datetime) -> datetime:
    here = at.astimezone(SEOUL).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (here + timedelta(days=32)).replace(day=1).astimezone(UTC)
