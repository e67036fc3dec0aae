"""When an event is sent again, and the health of the merchant's receiver. All times are real time."""

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
"""The waits that Standard Webhooks advises, and one more. The last try comes when GIVEN_UP_AFTER ends."""

GIVEN_UP_AFTER = timedelta(hours=72)
LONGEST_RETRY_AFTER = timedelta(hours=6)
"""A receiver may ask for a longer pause, up to this limit."""

JITTER = 0.1
"""A wait is shortened by up to this fraction, so that events that failed together are not sent again together."""

SENDING = timedelta(seconds=15)
"""The limit for one delivery, from resolving the host to the status of the answer (Standard Webhooks: 15 to 30 s)."""
LEASE = timedelta(seconds=45)
"""How long a worker owns an event that it sends. The delivery must begin early enough to end within this."""

DOWN_AFTER = 3
"""After this many different events refused in a row, the receiver counts as down and gets one probe at a time."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)

FIRST_WINDOW = 10
"""Events under way at the same time, at first and after trouble. The window doubles while the receiver keeps up."""

HEARD_EVERY = timedelta(minutes=1)
"""The precision of `last_success_at`: the row of a healthy receiver is not written for each event."""


def next_try(
    tries: int, first_tried_at: datetime, real_now: datetime, *, spread: float, retry_after: timedelta | None = None
) -> datetime | None:
    """When an event is tried again after this many tries; None when it is given up. `0 <= spread < 1`."""
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
    """The health of the receiver."""

    OK = "ok"
    FAILING = "failing"
    DOWN = "down"
    """Only probes are sent."""
    DISABLED = "disabled"


@dataclass(slots=True)
class Endpoint:
    """The merchant's receiver, as its answers show it. A new URL is a new endpoint without a history."""

    id: str
    url: str
    """Without credentials and without its query."""
    created_at: datetime
    window: int = FIRST_WINDOW
    failures: int = 0
    """Different events refused since the last success."""
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
        """The health in one word."""
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
        """Whether this event may be sent now. While the receiver is down, only the probe may."""
        return self.disabled_at is None and (not self.is_down or self.probe_id == message_id)

    def probes_with(self, message_id: str) -> bool:
        """Whether this event is the probe of a receiver that is down."""
        return self.is_down and self.probe_id == message_id

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
        """Note how many events a scan handed out.

        While the receiver is down, that is the probe; else a full window may grow.
        """
        if self.is_down:
            self.probe_id, self.next_probe_at = (ids[0], until) if ids else (None, self.next_probe_at)
        elif len(ids) == allowed and allowed * 2 > self.window:
            self.window = min(self.window * 2, max(limit, FIRST_WINDOW))

    def would_note_success(self, real_now: datetime) -> bool:
        """Whether a success must be written down."""
        stale = self.last_success_at is None or real_now - self.last_success_at >= HEARD_EVERY
        return stale or self.failing_since is not None

    def took(self, real_now: datetime) -> None:
        """Note that it took an event: the trouble is over. Waiting events go out with a small window at first."""
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
        """Note that it did not take this event; returns whether that disabled the endpoint."""
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
        """Enable the endpoint at an operator's request."""
        self.disabled_at = None
        self._forget_trouble()

    def _forget_trouble(self) -> None:
        if self.failing_since is not None:
            self.window = FIRST_WINDOW
        self.failures = 0
        self.last_failed = self.failing_since = self.next_probe_at = self.probe_id = None
