"""When an event is sent again, and what is known of the merchant's receiver. All times are real time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

RETRY_WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
)
"""What Standard Webhooks advises, and one more; the last try comes when GIVEN_UP_AFTER is over."""

GIVEN_UP_AFTER = timedelta(hours=72)
LONGEST_RETRY_AFTER = timedelta(hours=6)
"""A receiver may ask for a longer pause, but not for ever."""

JITTER = 0.1
"""A wait is shortened by up to this part of it, so that what failed together does not come back together."""

SENDING = timedelta(seconds=15)
"""One delivery, from the first look at the host's name to the status of the answer (Standard Webhooks: 15 to 30 s)."""
LEASE = timedelta(seconds=45)
"""How long an event that is being sent belongs to its worker: it must begin early enough to end within this."""

DOWN_AFTER = 3
"""So many different events refused in a row, and the receiver counts as down: from then on one probe at a time."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)

FIRST_WINDOW = 10
"""Events that may be under way at the same time, at first and after trouble. It doubles while the receiver keeps up."""

HEARD_EVERY = timedelta(minutes=1)
"""How exact `last_success_at` is: the row of a healthy receiver must not be written for each event."""


def next_try(
    tries: int, first_tried_at: datetime, real_now: datetime, *, spread: float, retry_after: timedelta | None = None
) -> datetime | None:
    """When an event that was tried so often is tried again; None: it is given up. `spread` is from 0 up to 1."""
    last = first_tried_at + GIVEN_UP_AFTER
    if real_now >= last:
        return None
    if tries > len(RETRY_WAITS):
        return last
    wait = RETRY_WAITS[max(tries, 1) - 1] * (1 - JITTER * spread)
    if retry_after is not None:
        wait = max(wait, min(retry_after, LONGEST_RETRY_AFTER))
    return min(real_now + wait, last)


class EndpointStatus(StrEnum):
    """How the receiver does."""

    OK = "ok"
    FAILING = "failing"
    DOWN = "down"
    """Only probes are sent."""
    DISABLED = "disabled"


@dataclass(slots=True)
class Endpoint:
    """The merchant's receiver, as its answers show it. Another URL is another endpoint, of which nothing is known."""

    id: str
    url: str
    """Without credentials and without its query."""
    created_at: datetime
    window: int = FIRST_WINDOW
    failures: int = 0
    """Different events refused, with none taken in between."""
    last_failed: str | None = None
    failing_since: datetime | None = None
    next_probe_at: datetime | None = None
    """Set while it counts as down."""
    probe_id: str | None = None
    disabled_at: datetime | None = None
    last_trouble: str | None = None
    last_success_at: datetime | None = None

    @property
    def status(self) -> EndpointStatus:
        """In one word."""
        if self.disabled_at is not None:
            return EndpointStatus.DISABLED
        if self.is_down:
            return EndpointStatus.DOWN
        return EndpointStatus.FAILING if self.failing_since is not None else EndpointStatus.OK

    @property
    def is_down(self) -> bool:
        """Whether only probes are sent."""
        return self.next_probe_at is not None

    def may_send(self, message_id: str) -> bool:
        """Whether this event may be sent now: any while all is well, the probe alone while it is down."""
        return self.disabled_at is None and (not self.is_down or self.probe_id == message_id)

    def allowance(self, under_way: int, limit: int, real_now: datetime) -> int:
        """How many more events may be handed out. Slow answers narrow the window, so they cannot take all workers."""
        if self.disabled_at is not None:
            return 0
        if self.next_probe_at is not None:
            return 1 if self.next_probe_at <= real_now else 0
        if under_way * 2 > self.window:
            self.window = max(FIRST_WINDOW, self.window // 2)
        return max(0, min(limit, self.window - under_way))

    def handed_out(self, ids: list[str], allowed: int, limit: int, until: datetime) -> None:
        """Note what a scan handed out: the probe, while it is down; else a window that was used up may grow."""
        if self.is_down:
            self.probe_id, self.next_probe_at = (ids[0], until) if ids else (None, self.next_probe_at)
        elif len(ids) == allowed and allowed * 2 > self.window:
            self.window = min(self.window * 2, max(limit, FIRST_WINDOW))

    def would_note_success(self, real_now: datetime) -> bool:
        """Whether a success is news."""
        stale = self.last_success_at is None or real_now - self.last_success_at >= HEARD_EVERY
        return stale or self.failing_since is not None

    def took(self, real_now: datetime) -> None:
        """It took an event: whatever was wrong is over. What waited goes out with a small window at first."""
        self.last_success_at = real_now
        self._forget_trouble()

    def refused(
        self,
        message_id: str,
        trouble: str,
        real_now: datetime,
        *,
        disable_after: timedelta,
        gone: bool = False,
        retry_after: timedelta | None = None,
    ) -> bool:
        """It did not take this event; returns whether it was disabled by that."""
        self.last_trouble = trouble
        self.failing_since = self.failing_since or real_now
        self.window = FIRST_WINDOW
        if self.last_failed != message_id:
            self.failures += 1
            self.last_failed = message_id
        failing_for = real_now - self.failing_since
        if self.failures >= DOWN_AFTER or retry_after is not None:
            pause = min(max(failing_for / 2, FIRST_PAUSE), LONGEST_PAUSE)
            self.next_probe_at = real_now + max(pause, min(retry_after or pause, LONGEST_RETRY_AFTER))
            self.probe_id = None
        if self.disabled_at is None and (gone or failing_for >= disable_after):
            self.disabled_at = real_now
            return True
        return False

    def enable(self) -> None:
        """Send again, on an operator's word."""
        self.disabled_at = None
        self._forget_trouble()

    def _forget_trouble(self) -> None:
        if self.failing_since is not None:
            self.window = FIRST_WINDOW
        self.failures = 0
        self.last_failed = self.failing_since = self.next_probe_at = self.probe_id = None
