"""What a PG allows: so many charges a second, so many uses of a key a month, and hours without charges.

A PG that limits its calls gets them evenly spaced: 50 a second are one each 20 ms, so no second ever has more. Only
charges count, not reads and refunds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone
from hashlib import sha256

LONGEST_QUEUE = timedelta(hours=1)
"""A charge that waits for its turn is looked at this soon: the rate may have been raised, or its limit lifted."""

NEW_AHEAD = timedelta(seconds=1)
"""A new renewal takes a turn this far ahead at most: a thread that waits for it serves no other PG."""

SEOUL = timezone(timedelta(hours=9), "KST")
"""Korea has no daylight saving time; PGs and banks tell their hours in this zone."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of each day without charges, Seoul time; they may span midnight."""

    start: time
    end: time

    def holds(self, at: time) -> bool:
        """Whether this time of day, Seoul time, is within them."""
        if self.start <= self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def ends(self, now: datetime) -> datetime | None:
        """When the quiet hours that hold this moment end; None outside of them. Aware UTC."""
        here = now.astimezone(SEOUL)
        if not self.holds(here.time()):
            return None
        end = datetime.combine(here.date(), self.end, SEOUL)
        return (end if end > here else end + timedelta(days=1)).astimezone(UTC)


def leave_time(hours: Sequence[Quiet]) -> bool:
    """Whether a day has a moment outside of all these hours: the first one is where some of them end."""
    return not hours or any(not any(each.holds(one.end) for each in hours) for one in hours)


@dataclass(frozen=True, slots=True)
class PgLimits:
    """The limits of all PGs, by PortOne's code; a PG without an entry has none."""

    spacing: Mapping[str, timedelta] = field(default_factory=dict)
    """The time between two charges."""
    monthly_uses: Mapping[str, int] = field(default_factory=dict)
    """Charges of one key in a calendar month of Seoul."""
    quiet: Mapping[str, Quiet] = field(default_factory=dict)
    spread: timedelta = timedelta(0)
    """The window over which the renewals of one moment are spread."""

    def offset(self, subscription_id: str, period: timedelta) -> timedelta:
        """When in that window this subscription is charged: the same in each period of this length.

        Within the first half of the period: a subscription that ends is not charged any more.
        """
        digest = sha256(subscription_id.encode()).digest()
        return min(self.spread, period / 2) * (int.from_bytes(digest[:4]) / 2**32)


NO_LIMITS = PgLimits()
"""Every PG takes every charge."""


def month_of(now: datetime) -> tuple[datetime, datetime]:
    """The calendar month of Seoul that contains this moment: its start and its end. Aware UTC."""
    start = now.astimezone(SEOUL).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=32)).replace(day=1)
    return start.astimezone(UTC), end.astimezone(UTC)


@dataclass(slots=True)
class PgTurns:
    """The free turns of a PG that limits its calls. Real time.

    Calls and looks have the same spacing. A charge beyond the next seconds gets the time of a look instead of a turn:
    so each of a hundred thousand waiting charges is looked at about once an hour at most, and then mostly at its time.
    """

    id: str
    next_call_at: datetime
    next_look_at: datetime

    def take(self, spacing: timedelta, real_now: datetime, ahead: timedelta, *, is_new: bool) -> datetime | None:
        """The time of the call, at most `ahead` from now, for new ones a second; None if it is later or others wait."""
        if self.next_call_at > real_now + LONGEST_QUEUE:
            self.next_call_at = real_now  # noted by a clock that went back since
        turn = max(self.next_call_at, real_now)
        longest = min(ahead, NEW_AHEAD) if is_new else ahead
        if turn - real_now > longest or (is_new and self.next_look_at > real_now + ahead):
            return None
        self.next_call_at = turn + spacing
        return turn

    def queue(self, spacing: timedelta, real_now: datetime, ahead: timedelta) -> timedelta:
        """How long to wait until the look at this charge: an hour at most."""
        look = min(max(self.next_look_at, real_now + ahead), real_now + LONGEST_QUEUE)
        self.next_look_at = look + spacing
        return look - real_now
