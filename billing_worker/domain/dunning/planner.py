"""The time of the next try: the step, then the hours of the policy, of the PG, and the caps of the card."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256

from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.caps import free_from
from billing_worker.domain.dunning.days import business_day_from
from billing_worker.domain.dunning.policy import DunningPolicy, Hours
from billing_worker.domain.dunning.steps import Step
from billing_worker.domain.pg_limits import SEOUL, Quiet, leave_time

LONGEST_MOVE = timedelta(days=60)
"""Hours and caps move a try by less: the longest cap is 30 days, the longest holidays are ten."""


@dataclass(frozen=True, slots=True)
class TryFacts:
    """What the time of a try depends on, beside the policy."""

    seed: str
    """The invoice: tries of different invoices are spread, and those of one are the same each time."""
    card_declines: tuple[datetime, ...] = ()
    """The recent declines of the card, oldest first, this one included."""
    paid_hour: time | None = None
    """The time of day, Seoul time, at which this customer paid before."""
    closed: tuple[Quiet, ...] = ()
    """Hours in which the PG takes no charge."""


def next_try(
    policy: DunningPolicy, declines: int, category: Category | None, declined_at: datetime, facts: TryFacts
) -> datetime | None:
    """When to try again after so many declines, the last one of this category; None when the policy is used up.

    The time is later than the decline, outside of all closed hours, and at a time at which the caps allow it.
    """
    step = policy.step(declines, category)
    return None if step is None else time_of(step, policy.hours, declined_at, facts)


def time_of(step: Step, hours: Hours, declined_at: datetime, facts: TryFacts) -> datetime:
    """When this step tries again."""
    at = step.time_after(declined_at)
    if step.window is None and hours.paid_hour and facts.paid_hour is not None:
        at = _at_time_of_day(at, facts.paid_hour)
    return opened(hours, at + _share(hours.jitter, facts.seed, declined_at), facts)


def opened(hours: Hours, at: datetime, facts: TryFacts) -> datetime:
    """The first time at or after `at` that the hours of the policy and the PG, and the caps of the card, allow.

    Where both hours together leave no time, only those of the PG count: it refuses a charge, and the policy is a wish.
    """
    earliest = at
    quiet_hours = facts.closed if hours.quiet is None else (hours.quiet, *facts.closed)
    if not leave_time(quiet_hours):
        quiet_hours = facts.closed
    while at <= earliest + LONGEST_MOVE:
        moved = free_from(facts.card_declines, at)
        for quiet in quiet_hours:
            moved = quiet.ends(moved) or moved
        if hours.business_days:
            here = moved.astimezone(SEOUL)
            day = business_day_from(here.date())
            if day != here.date():
                moved = datetime.combine(day, here.time(), SEOUL).astimezone(UTC)
        if moved == at:
            return at
        at = moved
    raise AssertionError(f"no open time within {LONGEST_MOVE.days} days of {earliest.isoformat()}")


def used_up_at(
    policy: DunningPolicy, declines: int, category: Category | None, declined_at: datetime, facts: TryFacts
) -> datetime:
    """When the policy would be used up if every try that is left were declined too."""
    at = declined_at
    while (following := next_try(policy, declines, category, at, facts)) is not None:
        at, declines = following, declines + 1
        facts = replace(facts, card_declines=(*facts.card_declines, at))
    return at


def _at_time_of_day(moment: datetime, at: time) -> datetime:
    here = moment.astimezone(SEOUL)
    same_day = datetime.combine(here.date(), at, SEOUL)
    return (same_day if same_day >= here else same_day + timedelta(days=1)).astimezone(UTC)


def _share(jitter: timedelta, seed: str, declined_at: datetime) -> timedelta:
    if not jitter:
        return jitter
    digest = sha256(f"{seed} {declined_at.isoformat()}".encode()).digest()
    return jitter * (int.from_bytes(digest[:4]) / 2**32)
