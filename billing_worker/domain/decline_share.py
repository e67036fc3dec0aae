"""Whether far more charges are declined now than usual.

First tries are compared with first tries alone: retries are declined far more often, and a day of many retries is no
news. A difference counts only as far as its interval goes (`shares`), so that few attempts say nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.outcome_counts import HOUR, OutcomeCount, declined_share, hour_of
from billing_worker.domain.shares import FEWEST, Share, difference
from billing_worker.domain.stop import ALL
from billing_worker.domain.try_kind import TryKind

WINDOWS = (1, 3, 6, 24)
"""Full hours before the running one. The shortest counts in which enough first tries were answered."""
ENOUGH = 10
"""First tries that may say something about now."""
WEEK = timedelta(days=7)
USUAL = 0.15
"""The share that stands for the last week where it had fewer than `shares.FEWEST` first tries."""
FAR = 0.2
"""It is far above where the difference is larger than this, even at the low end of its interval."""
NEAR = 0.1
"""It is over where the difference is no larger than this."""
SPAN = timedelta(hours=max(WINDOWS)) + WEEK
"""For how long before the running hour counts are looked at."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The share of declines now, at one PG or at all of them, beside the last week's."""

    subject: str
    """The PG, or `stop.ALL`."""
    recent: Share
    hours: int
    """The length of the window: so many full hours, and the running one."""
    before: Share | None
    """The week before the window; None where it says too little, and `USUAL` stands for it."""

    @property
    def usual(self) -> float:
        """The share that was to be expected."""
        return USUAL if self.before is None else self.before.value

    @property
    def is_far_above(self) -> bool:
        """Whether far more is declined than usual, even at the low end of the interval."""
        if self.before is None:
            return self.recent.interval[0] - USUAL > FAR
        return difference(self.recent, self.before).low > FAR

    @property
    def is_over(self) -> bool:
        """Whether what is declined is near the usual again."""
        return self.recent.value - self.usual <= NEAR


def excesses(counts: Sequence[OutcomeCount], now: datetime, open_on: Collection[str]) -> Sequence[Compared]:
    """What an alert is open about, given the subjects of those that are open. `now` is billing time.

    One PG is named where others do well. Where all do badly, or only their sum says it, no PG is the cause. While an
    alert about all is open, a PG does well only when it is over there: else each further try could change the subject.
    """
    firsts = [each for each in counts if each.kind == TryKind.FIRST]
    by_pg = {pg: [each for each in firsts if each.pg == pg] for pg in sorted({each.pg for each in firsts})}
    compared = {pg: found for pg, own in by_pg.items() if (found := _compared(pg, own, now)) is not None}
    bad = [each for pg, each in compared.items() if _is_bad(each, is_open=pg in open_on or ALL in open_on)]
    if bad and (len(bad) < len(compared) or len(compared) == 1):
        return bad
    whole = _compared(ALL, firsts, now) if len(by_pg) > 1 else None
    return [whole] if whole is not None and (bad or _is_bad(whole, is_open=ALL in open_on)) else []


def _is_bad(compared: Compared, *, is_open: bool) -> bool:
    """An alert opens where it is far above, and stays open until it is over."""
    return not compared.is_over if is_open else compared.is_far_above


def _compared(subject: str, counts: Sequence[OutcomeCount], now: datetime) -> Compared | None:
    """The latest window with enough attempts, beside the week before it; None if there is no such window."""
    this_hour = hour_of(now)
    for hours in WINDOWS:
        since = this_hour - hours * HOUR
        recent = declined_share(each for each in counts if since <= each.hour <= this_hour)
        if recent.total >= ENOUGH:
            before = declined_share(each for each in counts if since - WEEK <= each.hour < since)
            return Compared(subject, recent, hours, before if before.total >= FEWEST else None)
    return None
