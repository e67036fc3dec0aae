"""Advice about one declined payment, from what a merchant tells of it: when to try again, and why then."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from itertools import takewhile

from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.declines.reasons import Advice, Decline
from billing_worker.domain.dunning.caps import free_from
from billing_worker.domain.dunning.planner import TryFacts, next_try, opened
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.pg_limits import SEOUL
from billing_worker.domain.spared import spared_wait

MOST_TRIES_TOLD = 30
"""Of one card in a request: more than the caps of thirty days count."""


class Why(StrEnum):
    """Why the next try comes when it does, or does not come."""

    STEP = "step"
    """The policy's next step."""
    FAILURE = "failure"
    """A system failed: it is tried again soon, and no step is spent."""
    MERCHANT = "merchant"
    """The merchant must change something: it is tried again each day, and no step is spent."""
    CAPPED = "capped"
    """The card networks' caps allow no earlier try."""
    ANOTHER_CARD = "another_card"
    """No try of this card can succeed."""
    DEAD_BEFORE = "dead_before"
    """An earlier decline, with no payment since, says that no try of this card can succeed."""
    USED_UP = "used_up"
    """The policy has no further try."""
    LOOK_FIRST = "look_first"
    """The PG says that the payment may exist: the gateway is read before any other try."""


@dataclass(frozen=True, slots=True)
class EarlierTry:
    """One earlier try of the card, as the merchant tells it."""

    at: datetime
    text: str | None
    """The decline; None: approved."""
    same_payment: bool = True
    """Whether it was for this payment. Others count for the caps, and for the usual hour."""


@dataclass(frozen=True, slots=True)
class KnownDecline:
    """A declined payment, as a merchant tells it. Raises InvalidInput for a try that is not before the decline."""

    id: str
    """The merchant's name of the payment: it spreads tries."""
    pg: str
    text: str
    declined_at: datetime
    earlier: Sequence[EarlierTry] = ()
    """The tries of the card before this one."""

    def __post_init__(self) -> None:
        if len(self.earlier) > MOST_TRIES_TOLD:
            raise InvalidInput("history", len(self.earlier), f"tell the last {MOST_TRIES_TOLD} tries of the card")
        late = next((each for each in self.earlier if each.at >= self.declined_at), None)
        if late is not None:
            raise InvalidInput("history", late.at.isoformat(), "is not before declined_at")

    @property
    def facts(self) -> TryFacts:
        """What the time of the next try depends on."""
        told = sorted(self.earlier, key=lambda each: each.at)
        tries = [*((each.at, each.text) for each in told), (self.declined_at, self.text)]
        card = tuple(at for at, text in tries if text is not None and _is_of_card(normalise(self.pg, text)))
        paid_at = [each.at for each in told if each.text is None]
        return TryFacts(self.id, card, usual_hour(paid_at[-1]) if paid_at else None)

    @property
    def is_dead(self) -> bool:
        """Whether an earlier decline, with no payment of the card since, says that it needs another card."""
        latest = sorted(self.earlier, key=lambda each: each.at, reverse=True)
        since_payment = takewhile(lambda each: each.text is not None, latest)
        return any(normalise(self.pg, each.text or "").advice is Advice.ANOTHER_CARD for each in since_payment)

    def spent(self, policy: DunningPolicy) -> "Spent":
        """What the earlier declines of this payment have used up."""
        spent = Spent(policy, self.pg.partition(".")[0].strip().lower())
        for each in sorted(self.earlier, key=lambda each: each.at):
            if each.same_payment and each.text is not None:
                spent.count(normalise(self.pg, each.text).advice)
        return spent


@dataclass(frozen=True, slots=True)
class RecoveryAdvice:
    """What to do about a declined payment."""

    decline: Decline
    why: Why
    retry_at: datetime | None
    """Aware UTC; None: do not try this card again."""
    step: int
    """The steps of the policy that are spent, this decline included."""
    steps: int
    """The steps that the policy has for such a decline."""


def advise(told: KnownDecline, policy: DunningPolicy) -> RecoveryAdvice:
    """When to try a declined payment again by this policy, and why then."""
    decline = normalise(told.pg, told.text)
    spent = told.spent(policy)
    wait = spent.count(decline.advice)
    why, at = _next(told, policy, decline, spent.steps, wait)
    return RecoveryAdvice(decline, why, at, spent.steps, len(policy.steps_for(decline.category)))


def _next(
    told: KnownDecline, policy: DunningPolicy, decline: Decline, steps: int, wait: timedelta | None
) -> tuple[Why, datetime | None]:
    if decline.advice is Advice.ANOTHER_CARD or told.is_dead:
        return Why.ANOTHER_CARD if decline.advice is Advice.ANOTHER_CARD else Why.DEAD_BEFORE, None
    if not policy.retries:
        return Why.USED_UP, None
    facts = told.facts
    if wait is not None:
        why = Why.FAILURE if decline.advice is Advice.RETRY_SOON else Why.MERCHANT
        return why, opened(policy.hours, told.declined_at + wait, facts)
    at = next_try(policy, steps, decline.category, told.declined_at, facts)
    if at is None:
        return Why.USED_UP, None
    if decline.advice is Advice.ASK_GATEWAY:
        return Why.LOOK_FIRST, at
    return Why.CAPPED if free_from(facts.card_declines, told.declined_at) == at else Why.STEP, at


def usual_hour(paid_at: datetime) -> time:
    """The time of day of a payment, Seoul time, to the hour."""
    return paid_at.astimezone(SEOUL).time().replace(minute=0, second=0, microsecond=0)


def _is_of_card(decline: Decline) -> bool:
    """Whether it counts for the card's caps: a refusal because of the merchant does not."""
    return decline.advice is not Advice.FIX_CONFIGURATION


@dataclass(slots=True)
class Spent:
    """What the declines of a payment have used up, by the worker's own rule."""

    policy: DunningPolicy
    pg: str
    steps: int = 0
    seen: Counter[Advice] = field(default_factory=Counter)
    """Declines by advice."""

    def count(self, advice: Advice) -> timedelta | None:
        """Count one decline. Returns how long to wait after one that spends no step; None: it spent one."""
        wait = spared_wait(advice, self.pg, self.seen[advice], self.policy)
        self.seen[advice] += 1
        self.steps += wait is None
        return wait
