"""The numbers of the model, each with its source. An assumption is called one.

Sources, all public and third-party:
[R] recurly 2024, by dunningcompare.com: reasons of failed renewals, and that 48-65 % of those without money recover.
[A] Adyen, by churnward.com: about half of the refusals without a reason are accounts without money.
[S] Saramin 2018, by jobsN: two of three employees have spent their salary within fifteen days.
[P] jobsN 2020, Sisun News 2019: the 25th and the 10th are the usual paydays in Korea.
[K] Kakao Pay's code book (portone-v1.md, 8.1): banks close for 23:30 to 00:35.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import StrEnum

from billing_worker.domain.pg_limits import Quiet


class Cause(StrEnum):
    """Why the first charge of a period is declined."""

    MONEY = "money"
    """The account behind the card holds too little."""
    LIMIT = "limit"
    """A limit of the card is used up."""
    REFUSED = "refused"
    """The card company's own judgement of the risk."""
    OUTAGE = "outage"
    """A system on the way fails."""
    DEAD = "dead"
    """The card has expired, was lost, or was closed."""


CAUSES: Mapping[Cause, float] = {
    Cause.MONEY: 0.38 + 0.17 / 2,
    Cause.LIMIT: 0.10,
    Cause.REFUSED: 0.17 / 2,
    Cause.OUTAGE: 0.11,
    Cause.DEAD: 0.24,
}
"""[R] gives 38 % money, 24 % expired or closed, 17 % without a reason, 21 % technical; [A] moves half of the 17 % to
money. Korean cards also decline for limits, which [R] has no row for: 10 of the 21 % (assumption)."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """All numbers that may be changed, to see how much a figure depends on one."""

    causes: Mapping[Cause, float] = field(default_factory=lambda: CAUSES)
    paydays: Mapping[int, float] = field(default_factory=lambda: {25: 0.36, 10: 0.28, 31: 0.12, 15: 0.08, 21: 0.08})
    """Shares by nominal day, 31 for the last day. The order is [P], the numbers are assumptions. The rest up to 1 has
    no payday: money arrives on any day."""
    spent_within: float = 11.0
    """Days after a payday until the account of such a holder is too low, on average: [S], two of three within 15."""
    inflow_every: float = 14.0
    """Days between two smaller inflows, on average (assumption)."""
    inflow_lasts: float = 1.5
    """Days that a smaller inflow lasts, on average (assumption)."""
    salary_hour: float = 8.0
    """The mean hour at which a salary arrives, from 00:00 to 18:00 (assumption)."""
    daily_limits: float = 0.35
    """Share of limits that reset at midnight; the others reset with the month."""
    daily_limit_again: float = 0.35
    """Chance that a daily limit is used up again by the hour of a later try (assumption)."""
    refused_approves: float = 0.22
    """Chance that the card company approves on another day (assumption)."""
    outage_median: float = 1.5
    """Hours that an outage lasts, median; one of twenty lasts for more than a day (assumption)."""
    hidden_money: float = 0.26
    """Share of declines for lack of money that only say that the card company refuses: from [A] and [R]."""
    money_says_limit: float = 0.12
    """Share of declines for lack of money that name a limit: Korean issuers word both alike (assumption)."""
    reacts: tuple[float, ...] = (0.10, 0.06, 0.05, 0.04)
    """Chance that a holder pays, or gives another card, after the first, second, … notice (assumption)."""
    reacts_dead: tuple[float, ...] = (0.22, 0.10, 0.06, 0.04)
    """The same where the notice says that the card will not work again (assumption)."""
    reaction_median: float = 18.0
    """Hours from a notice to the reaction, median (assumption)."""
    leaves_after: float = 60.0
    """Days until a holder who does not pay no longer wants the service, on average (assumption)."""
    closed: Quiet = field(default_factory=lambda: Quiet(time(23, 30), time(0, 35)))
    """[K] Tries within these hours fail for all who pay from an account."""

    @property
    def longest(self) -> timedelta:
        """How long after the first decline a recovery counts."""
        return timedelta(days=45)
