"""Search a policy: the steps of each category that recover the most at a price for each try.

One price for all categories makes the best use of a number of tries. The steps are fitted on some seeds; what they are
worth is told by others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.dunning.steps import Step, read_step
from billing_worker.domain.errors import InvalidInput
from billing_worker.issuer_model.trial import Case, run

FITTED = (Category.BALANCE, Category.LIMIT, Category.ISSUER_REFUSED)
"""The categories that the model declines with and that a policy decides."""
PLAIN = ("1d", "2d", "3d", "5d", "7d")
WINDOWS = ("daily 11:00", "daily 18:00", "paydays 11:00", "paydays 18:00", "cron 0 11 1 * *")
WAITS = ("12h", "1d", "3d", "6d")
MOST_STEPS = 9


@dataclass(frozen=True, slots=True)
class Found:
    """Steps of one category, and what they reach."""

    steps: tuple[Step, ...]
    gain: float


def candidates() -> tuple[Step, ...]:
    """The steps that the search may use."""
    texts = (*PLAIN, *(f"{wait} {window}" for wait in WAITS for window in WINDOWS))
    return tuple(read_step("steps", text) for text in texts)


def fit(cases: Sequence[Case], price: float, longest: timedelta) -> DunningPolicy:
    """The policy that recovers the most from these cases, where each try costs `price` recoveries.

    No try comes later than `longest` after the decline, as far as waits tell.
    """
    found = {
        category: _climb([case for case in cases if case.holder.words is category], category, price, longest).steps
        for category in FITTED
    }
    policy = DunningPolicy(found[Category.ISSUER_REFUSED], found)
    policy.refuse_harm()
    return policy


def _climb(cases: Sequence[Case], category: Category, price: float, longest: timedelta) -> Found:
    best = _judge(cases, category, price, ())
    while True:
        better = best
        for steps in _neighbours(best.steps):
            if sum((step.wait for step in steps), timedelta(0)) > longest:
                continue
            found = _judge(cases, category, price, steps)
            if found.gain > better.gain:
                better = found
        if better.gain <= best.gain + LEAST_GAIN * len(cases):
            return best
        best = better


LEAST_GAIN = 0.001
"""A change that recovers less than one of a thousand is noise."""


def _neighbours(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    for place in range(len(steps)):
        yield (*steps[:place], *steps[place + 1 :])
        for step in candidates():
            yield (*steps[:place], step, *steps[place + 1 :])
    if len(steps) < MOST_STEPS:
        for place in range(len(steps) + 1):
            for step in candidates():
                yield (*steps[:place], step, *steps[place:])


def _judge(cases: Iterable[Case], category: Category, price: float, steps: tuple[Step, ...]) -> Found:
    policy = DunningPolicy((), {category: steps})
    try:
        policy.refuse_harm()
    except InvalidInput:
        return Found(steps, float("-inf"))
    results = [run(case, policy) for case in cases]
    recovered = sum(result.recovered_after is not None for result in results)
    return Found(steps, recovered - price * sum(result.tries for result in results))
