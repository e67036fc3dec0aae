"""A dunning policy: which tries come after a decline, at which hours, and what happens after the last one.

A policy has a name and versions. An invoice keeps the version that it began with, so a changed policy never moves a try
that is under way.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import accumulate

from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.caps import CAPS
from billing_worker.domain.dunning.steps import LONGEST_WAIT, Step, read_step, wait_text
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.pg_limits import Quiet

LONGEST_DUNNING = timedelta(days=180)
"""A policy that lasts longer does not end in a time that a merchant waits for."""
MOST_STEPS = 15
"""More tries of one invoice leave no room below the card networks' caps for anything else on the card."""
LONGEST_JITTER = timedelta(hours=3)
LONGEST_FAILURES = timedelta(days=14)
"""A system that fails for longer is no technical trouble any more: then the steps follow."""
FAILURE_WAITS = tuple(timedelta(minutes=minutes) for minutes in (10, 30, 60, 180, 360, 720))
"""Waits after declines because a system fails on the way to the card company: within a day."""


class FinalAction(StrEnum):
    """What happens to the subscription after the last try was declined."""

    UNPAID = "unpaid"
    """No further period is opened until the customer pays."""
    CANCEL = "cancel"
    """The subscription ends, and nothing is charged any more."""
    KEEP_PAST_DUE = "keep_past_due"
    """The invoice is given up, and the next periods are opened and charged as before."""


class NewKey(StrEnum):
    """What another card does after dunning gave up."""

    COLLECT = "collect"
    """What is owed is tried at once."""
    NEW_PERIOD = "new_period"
    """What is owed is void, and a new period begins."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Which hours and days all tries of a policy keep to."""

    quiet: Quiet | None = None
    """No try within these hours; it comes when they end."""
    business_days: bool = False
    """No try on a day on which Korean banks do not work; it comes on the next business day at its time."""
    paid_hour: bool = False
    """A step without a window comes at the time of day at which this customer paid before."""
    jitter: timedelta = timedelta(0)
    """Tries are spread over so long a time, each invoice with its own share."""


ANY_HOUR = Hours()


@dataclass(frozen=True, slots=True)
class Ending:
    """What comes after the last try."""

    final: FinalAction = FinalAction.UNPAID
    win_back: Step | None = None
    """One more try, so long after the last one. None: none."""
    new_key: NewKey = NewKey.COLLECT
    moves_date: bool = False
    """A payment after the final action begins a new period at its own time, instead of keeping the old days."""


@dataclass(frozen=True, slots=True)
class DunningPolicy:
    """The tries after the first, second, … decline of an invoice, by category, and the rules that all of them keep.

    The number of a step is the number of *declines* that are the customer's, never that of attempts: an outage, an
    unknown answer or a charge by hand uses up nothing.
    """

    steps: tuple[Step, ...]
    by_category: Mapping[Category, tuple[Step, ...]] = field(default_factory=dict)
    """Steps of their own for declines of a category."""
    failures: tuple[timedelta, ...] = FAILURE_WAITS
    """Waits after declines because a system fails: they spend no step."""
    hours: Hours = ANY_HOUR
    ending: Ending = Ending()

    def refuse_harm(self) -> None:
        """Raises InvalidInput for a policy that could exceed a cap, never ends, or has a try in closed hours.

        For a new one. A version that is stored stays as it is: rules that become stricter must not stop its invoices.
        """
        for name, steps in self._lists():
            if len(steps) > MOST_STEPS:
                raise InvalidInput(name, [str(step) for step in steps], f"at most {MOST_STEPS} tries are allowed")
            lasts = sum((step.longest for step in steps), timedelta(0))
            if lasts > LONGEST_DUNNING:
                problem = f"may last {lasts.days} days; a policy ends within {LONGEST_DUNNING.days} days"
                raise InvalidInput(name, [str(step) for step in steps], problem)
        lasts = sum(self.failures, timedelta(0))
        if lasts > LONGEST_FAILURES:
            problem = f"may last {wait_text(lasts)}; waits after failures end within {LONGEST_FAILURES.days} days"
            raise InvalidInput("failures", [wait_text(wait) for wait in self.failures], problem)
        self._refuse_closed_windows()
        self._refuse_beyond_caps()
        self._refuse_idle_endings()

    def _refuse_idle_endings(self) -> None:
        ending, unpaid = self.ending, self.ending.final is FinalAction.UNPAID
        if ending.win_back is not None and ending.final is FinalAction.CANCEL:
            problem = "a canceled subscription is not charged any more; choose another final action, or no win-back"
            raise InvalidInput("win_back", str(ending.win_back), problem)
        if ending.new_key is NewKey.NEW_PERIOD and not unpaid:
            problem = f"no period is missing after {ending.final}; choose final unpaid, or new_key collect"
            raise InvalidInput("new_key", ending.new_key.value, problem)
        if ending.moves_date and not unpaid:
            problem = f"the dates go on after {ending.final}; choose final unpaid, or leave it out"
            raise InvalidInput("moves_date", ending.moves_date, problem)

    def steps_for(self, category: Category | None) -> tuple[Step, ...]:
        """The steps after a decline of this category; None: no decline says one."""
        return self.steps if category is None else self.by_category.get(category, self.steps)

    def step(self, declines: int, category: Category | None) -> Step | None:
        """The step after so many declines, the last one of this category; None when the policy is used up."""
        steps = self.steps_for(category)
        return steps[declines - 1] if 0 < declines <= len(steps) else None

    @property
    def retries(self) -> bool:
        """Whether it tries again at all."""
        return any(steps for _, steps in self._lists())

    def _lists(self) -> Iterator[tuple[str, tuple[Step, ...]]]:
        yield "steps", self.steps
        for category, steps in self.by_category.items():
            yield f"by_category.{category}", steps

    def _refuse_closed_windows(self) -> None:
        quiet = self.hours.quiet
        if quiet is None:
            return
        if quiet.start == quiet.end:
            raise InvalidInput("quiet", str(quiet), "begins and ends at one time; leave it out, or give two times")
        all_steps = [(name, step) for name, steps in self._lists() for step in steps]
        if self.ending.win_back is not None:
            all_steps.append(("win_back", self.ending.win_back))
        for name, step in all_steps:
            for at in step.window.times if step.window else ():
                if quiet.holds(at):
                    problem = f"comes at {at:%H:%M}, within the quiet hours {quiet}; choose another time"
                    raise InvalidInput(name, str(step), problem)

    def _refuse_beyond_caps(self) -> None:
        for cap in CAPS:
            tries, failures = self._most_tries(cap.window), most_within(self.failures, cap.window) - 1
            if tries + failures > cap.tries:
                problem = (
                    f"could try a card {tries + failures} times in {wait_text(cap.window)} ({tries} by steps, "
                    f"{failures} after failures); card networks allow {cap.tries}. Use fewer steps, longer waits, "
                    "or fewer failures"
                )
                raise InvalidInput("steps", [str(step) for step in self.steps], problem)

    def _most_tries(self, window: timedelta) -> int:
        """The most tries within a window that any mixture of categories can make.

        The shortest wait of each step counts: windows and quiet hours only make a try later.
        """
        lists = [steps for _, steps in self._lists()]
        longest = max(map(len, lists))
        waits = [min(steps[number].wait for steps in lists if number < len(steps)) for number in range(longest)]
        return most_within(waits, window)


def most_within(waits: Sequence[timedelta], window: timedelta) -> int:
    """The most tries within a window, of a first try and one after each wait."""
    tries = [timedelta(0), *accumulate(waits)]
    return max(sum(first <= other < first + window for other in tries) for first in tries)


def days(*waits: int) -> DunningPolicy:
    """A policy of plain waits of whole days: (1, 3, 5, 7) tries on day 0, 1, 4, 9 and 16. Raises InvalidInput.

    It tries after as many failures as the caps leave room for.
    """
    for wait in waits:
        if isinstance(wait, bool) or not isinstance(wait, int) or not 1 <= wait <= LONGEST_WAIT.days:
            raise InvalidInput("dunning_days", wait, f"each wait is 1 to {LONGEST_WAIT.days} whole days")
    lengths = [timedelta(days=wait) for wait in waits]
    room = min(cap.tries - most_within(lengths, cap.window) for cap in CAPS)
    policy = DunningPolicy(tuple(map(Step, lengths)), failures=FAILURE_WAITS[: max(room, 0)])
    policy.refuse_harm()
    return policy


def _steps(*texts: str) -> tuple[Step, ...]:
    return tuple(read_step("steps", text) for text in texts)


_PAYDAY = "12h paydays 18:00"
DEFAULT = DunningPolicy(
    _steps("2d", _PAYDAY, "2d", _PAYDAY, _PAYDAY),
    {
        Category.BALANCE: _steps(_PAYDAY, _PAYDAY, _PAYDAY, _PAYDAY, _PAYDAY),
        Category.LIMIT: _steps("1d daily 11:00", "1d cron 0 11 1 * *", _PAYDAY, _PAYDAY, _PAYDAY),
    },
    hours=Hours(jitter=timedelta(minutes=30)),
)
"""It tries where money arrives: on paydays in the evening, and where limits reset: the next day, and the first of the
month. docs/dunning-model.md tells how it was found, and what it recovers in the model."""
