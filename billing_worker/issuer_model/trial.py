"""One policy against one holder: the tries that a worker would make, and what came of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log
from random import Random
from typing import NamedTuple

from billing_worker.domain.declines.reasons import ADVICE, Advice, Category
from billing_worker.domain.dunning.planner import TryFacts, next_try, used_up_at
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.pg_limits import SEOUL
from billing_worker.issuer_model.holder import Holder


class Result(NamedTuple):
    """What became of one declined invoice."""

    first: Category
    """What the first decline said."""
    amount: int
    """Minor units."""
    tries: int
    """Tries after the first decline, those after failures included."""
    recovered_after: timedelta | None
    """From the first decline to the payment; None: not paid."""
    by_try: bool
    """Whether a try of the policy was approved; otherwise the holder reacted to a notice."""


@dataclass(frozen=True, slots=True)
class Case:
    """One declined invoice, with its holder and the reactions that the holder would have."""

    ident: str
    holder: Holder
    declined_at: datetime
    amount: int
    mood: int | None
    """The seed of the holder's reactions to notices; None: the holder reacts at `reacts_at` or never."""
    reacts_at: datetime | None = None
    """When a merchant's own history shows that the holder paid without a try."""


def run(case: Case, policy: DunningPolicy) -> Result:
    """Try until the card approves, the holder reacts, or the policy is used up."""
    parameters, at = case.holder.parameters, case.declined_at
    said = first = case.holder.answer(at) or Category.UNKNOWN
    reactions = _Reactions(case)
    tries = declines = failures = 0
    card: tuple[datetime, ...] = ()
    end = at + parameters.longest
    while True:
        card = (*card, at)
        facts = TryFacts(case.ident, card, at.astimezone(SEOUL).time())
        advice, following = ADVICE[said], None
        if advice is Advice.RETRY_SOON and failures < len(policy.failures):
            following = at + policy.failures[failures]
            failures += 1
        else:
            declines += 1
            is_dead = advice is Advice.ANOTHER_CARD
            reactions.notice(at, parameters.reacts_dead if is_dead else parameters.reacts)
            if is_dead:
                # The invoice waits for another card until the policy would be used up.
                end = min(end, used_up_at(policy, declines, said, at, facts) if policy.retries else at)
            else:
                following = next_try(policy, declines, said, at, facts)
        reacted = reactions.by(min(following or end, end))
        if reacted is not None:
            return Result(first, case.amount, tries, reacted - case.declined_at, by_try=False)
        if following is None or following > end:
            return Result(first, case.amount, tries, None, by_try=False)
        tries, at = tries + 1, following
        answer = case.holder.answer(at)
        if answer is None:
            return Result(first, case.amount, tries, at - case.declined_at, by_try=True)
        said = answer


@dataclass(slots=True)
class _Reactions:
    """When the holder pays, or gives another card, because of a notice."""

    case: Case
    notices: int = 0
    at: datetime | None = None

    def notice(self, at: datetime, moods: tuple[float, ...]) -> None:
        """Tell the holder of a decline. Each notice has a chance of its own, the same for every policy."""
        if self.case.mood is None:
            self.at = self.case.reacts_at
            return
        chance = Random(self.case.mood * 31 + self.notices)  # noqa: S311 - a model
        mood, median = chance.random(), self.case.holder.parameters.reaction_median
        if self.at is None and self.notices < len(moods) and mood < moods[self.notices]:
            self.at = at + timedelta(hours=chance.lognormvariate(log(median), 0.9))
        self.notices += 1

    def by(self, limit: datetime) -> datetime | None:
        """The reaction, if it comes by this time and before the holder leaves."""
        leaves = self.case.holder.leaves_at
        if self.at is None or self.at > limit or (leaves is not None and self.at >= leaves):
            return None
        return self.at
