"""What happens to late periods: after an outage, the plan's policy or an operator decides.

Without an outage, these rules never apply: a period that is opened within a day of its start is simply billed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from billing_worker.domain.calendar import BillingCalendar
from billing_worker.domain.errors import InvalidInput

LATE_AFTER = timedelta(days=1)
"""A period opened this long after its start is late. A shorter delay is no reason to waive it."""

BACKLOG_AFTER = timedelta(hours=1)
"""Work that had been due for this long at the end of an interruption is paced."""

OUTAGE_AFTER = timedelta(minutes=10)
"""Without a charge for this long, although some were due, service was interrupted: what fell due before is late."""
NOTED_EVERY = timedelta(minutes=1)
"""How often a charge is noted as service: one row, which all processes write, must not hold them up."""

MOST_PERIODS = 10_000
"""The most periods decided in one transaction: an expression may fire every minute, and an outage may be long."""

DEFAULT_MAX_AGE = 90
LONGEST_MAX_AGE = 3660
"""Days. As long as the longest period that a calendar counts in days."""

BURST_SECONDS = 5.0
"""The capacity of a bucket, in seconds of its own rate: more than beat's interval, and too little for a peak."""

MILLION = 1_000_000

BRIMFUL = 10**15
"""More than any bucket holds: the next fill reduces it to the capacity."""


class CatchUpMode(StrEnum):
    """What a plan does with late periods."""

    BILL_ALL = "bill_all"
    """Every late period is billed, oldest first."""
    LATEST_ONLY = "latest_only"
    """The newest period that has begun is billed; earlier ones are waived."""
    FORGIVE = "forgive"
    """Every late period is waived; the next one is billed when it starts."""
    ASK = "ask"
    """No period is opened until an operator decides."""


DECISIONS = (CatchUpMode.BILL_ALL, CatchUpMode.LATEST_ONLY, CatchUpMode.FORGIVE)
"""The decisions that an operator can make."""


@dataclass(frozen=True, slots=True)
class CatchUpPolicy:
    """A mode, and the age in days beyond which an operator must decide; None where an operator has decided."""

    mode: CatchUpMode = CatchUpMode.BILL_ALL
    max_age: int | None = DEFAULT_MAX_AGE

    def __post_init__(self) -> None:
        age = self.max_age
        if age is not None and (isinstance(age, bool) or not isinstance(age, int) or not 1 <= age <= LONGEST_MAX_AGE):
            raise InvalidInput("catch_up_max_age", age, f"must be between 1 and {LONGEST_MAX_AGE} days")


BILL_ALL = CatchUpPolicy()
"""The policy of a plan that sets none."""


def policy_of(mode: str, max_age: int) -> CatchUpPolicy:
    """The policy with this mode and maximum age. Raises InvalidInput."""
    return CatchUpPolicy(_known("catch_up", mode, tuple(CatchUpMode)), max_age)


def decision_of(mode: str) -> CatchUpMode:
    """The operator's decision for late periods. Raises InvalidInput for `ask`: the operator is already being asked."""
    return _known("mode", mode, DECISIONS)


def _known(field: str, mode: str, allowed: Sequence[CatchUpMode]) -> CatchUpMode:
    if mode not in allowed:
        raise InvalidInput(field, mode, f"must be one of {', '.join(allowed)}")
    return CatchUpMode(mode)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The periods of one subscription that have begun: the number to waive, then the number to bill.

    If an operator must decide, all of them wait. The counts cover all begun periods, up to MOST_PERIODS; the rest are
    decided afterwards.
    """

    waive: int = 0
    bill: int = 0
    ask: int = 0


def decide(
    policy: CatchUpPolicy,
    calendar: BillingCalendar,
    anchor: datetime,
    index: int,
    start: datetime,
    *,
    at: datetime,
    most: int = MOST_PERIODS,
) -> Backlog:
    """Decide on the periods from number `index`, which begins at `start`, to the newest one begun at `at`."""
    begun = calendar.begun(anchor, index, start, at, most + 1)
    whole, begun = begun <= most, min(begun, most)
    if start > at - LATE_AFTER:
        return Backlog(bill=begun)
    too_old = policy.max_age is not None and start < at - timedelta(days=policy.max_age)
    if too_old or policy.mode is CatchUpMode.ASK:
        return Backlog(ask=begun)
    match policy.mode:
        case CatchUpMode.LATEST_ONLY:
            return Backlog(waive=begun - 1, bill=1) if whole else Backlog(waive=begun)
        case CatchUpMode.FORGIVE:
            late = calendar.begun(anchor, index, start, at - LATE_AFTER, most)
            return Backlog(waive=late, bill=begun - late)
    return Backlog(bill=begun)


CHARGES = "charges"
"""The service that is noted: that of charges."""
NEVER = datetime(1900, 1, 1, tzinfo=UTC)
"""Before any subscription began, and any charge."""


@dataclass(slots=True)
class ServiceSpan:
    """The time without an interruption of charging. Billing time."""

    id: str = CHARGES
    since: datetime = NEVER
    seen_at: datetime = NEVER
    """When a charge began last, or none was due."""

    def is_noted(self, now: datetime) -> bool:
        """Whether service was noted a moment ago."""
        return now - self.seen_at < NOTED_EVERY

    def note(self, now: datetime) -> None:
        """Note that charges begin now, or that none is due."""
        self.since = self.began(now)
        self.seen_at = max(self.seen_at, now)

    def began(self, now: datetime) -> datetime:
        """When the service that goes on now began; now, if it was interrupted."""
        return now if now - self.seen_at > OUTAGE_AFTER else self.since

    def late_until(self, now: datetime) -> datetime:
        """Work due up to this moment is late, and paced: it had waited for an hour when the present service began.

        Work that waits only because there is much of it is not late, however long it waits.
        """
        # A clock that went back may have noted a beginning that is still to come.
        return min(self.began(now), now) - BACKLOG_AFTER


@dataclass(slots=True)
class Bucket:
    """How much late work may start now, in millionths. It fills at a rate, and scans take from it. Real time."""

    id: str
    millionths: int
    filled_at: datetime

    def fill(self, per_minute: float, real_now: datetime) -> int:
        """Fill the bucket up to now, and return how much may be taken. A clock that went back fills nothing."""
        per_second = per_minute / 60 * MILLION
        passed = max(0.0, (real_now - self.filled_at).total_seconds())
        self.millionths = int(min(self.millionths + per_second * passed, max(MILLION, per_second * BURST_SECONDS)))
        self.filled_at = real_now
        return self.millionths // MILLION

    def take(self, pieces: int) -> None:
        """Take out the work that a scan handed out."""
        self.millionths -= pieces * MILLION
