"""What many trials of a policy add up to, and how sure the difference between two policies is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import quantiles

from billing_worker.domain.declines.reasons import ADVICE, Advice, Category
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.shares import Difference, Share, paired
from billing_worker.issuer_model.trial import Case, Result, run

DAY = timedelta(days=1)
TENTHS = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """One policy over many declined invoices."""

    results: Sequence[Result]

    @property
    def recovered(self) -> Share:
        """Invoices that were paid after all."""
        return Share(sum(self.is_recovered), len(self.results))

    @property
    def decided(self) -> Share:
        """The same, of those whose card can be charged again: what the dates of a policy decide."""
        decided = [each for each in self.results if ADVICE[each.first] in (Advice.BETTER_DAY, Advice.ASK_GATEWAY)]
        return Share(sum(each.recovered_after is not None for each in decided), len(decided))

    @property
    def recovered_sum(self) -> Share:
        """Money that was paid after all, minor units."""
        paid = sum(each.amount for each in self.results if each.recovered_after is not None)
        return Share(paid, sum(each.amount for each in self.results))

    @property
    def is_recovered(self) -> Sequence[bool]:
        """Whether each invoice was paid after all, in order."""
        return [each.recovered_after is not None for each in self.results]

    @property
    def tries(self) -> float:
        """Tries after the first decline, for each invoice on average."""
        return sum(each.tries for each in self.results) / len(self.results) if self.results else 0.0

    @property
    def days(self) -> tuple[float, float]:
        """Days from the decline to the payment: the median, and what nine of ten stay below."""
        found = sorted(each.recovered_after / DAY for each in self.results if each.recovered_after is not None)
        if len(found) < TENTHS:
            return (found[len(found) // 2], found[-1]) if found else (0.0, 0.0)
        tenths = quantiles(found, n=TENTHS)
        return tenths[4], tenths[-1]

    @property
    def by_category(self) -> Mapping[Category, Share]:
        """The share recovered, by what the first decline said."""
        kinds = sorted({each.first for each in self.results})
        found = {kind: [each for each in self.results if each.first is kind] for kind in kinds}
        return {
            kind: Share(sum(each.recovered_after is not None for each in those), len(those))
            for kind, those in found.items()
        }

    def recovered_within(self, days: int) -> float:
        """The share that was paid within so many days."""
        limit = timedelta(days=days)
        paid = sum(each.recovered_after is not None and each.recovered_after <= limit for each in self.results)
        return paid / len(self.results) if self.results else 0.0


def tried(cases: Sequence[Case], policy: DunningPolicy) -> Figures:
    """This policy against all these cases."""
    return Figures([run(case, policy) for case in cases])


def more_than(one: Figures, other: Figures) -> Difference:
    """What one policy recovers more than another of the same cases."""
    return paired(one.is_recovered, other.is_recovered)
