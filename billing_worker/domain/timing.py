"""The time limits of one charge, and the required relations between them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.errors import SettingsInvalid

DEFAULT_SETTLE_WINDOWS = (("paymentwall", 3600.0),)
"""Paymentwall reviews risks after it has answered, and PortOne's books follow its pingbacks. An hour without a payment
proves there what two minutes prove elsewhere."""

LONGEST_AHEAD = 5.0

LARGEST_BACKOFF = timedelta(hours=1)
"""A charge that could not be placed is tried again at least this often: the outage may be over."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Limits in real seconds.

    A worker loses its attempt after `lease`, and the resolver may then decide. So the lease must outlast the HTTP
    deadline: otherwise a worker could be overtaken during its call to the gateway.
    """

    http_deadline: float = 65.0
    """One HTTP call, from connect to the last byte. PortOne asks clients to wait 60 s and more."""
    lease: float = 90.0
    """How long a claimed invoice or an attempt in flight belongs to the worker that took it."""
    claim: float = 30.0
    """How long a ring counts as heard: claimed work that no worker has started is offered again after this time."""
    first_look: float = 10.0
    """When the resolver first reads the gateway for an attempt whose answer is missing."""
    longest_look: float = 3600.0
    """The wait between two looks doubles up to this; the resolver never gives up."""
    settle_window: float = 120.0
    """Two reads this far apart must both find nothing before a charge counts as not placed."""
    settle_windows: tuple[tuple[str, float], ...] = ()
    """The same for single PGs, by PortOne code, if their books need more or less time."""
    compare_interval: float = 300.0
    """How often both books are compared. With the time of a comparison, this is far below the promised 15 minutes."""
    key_pending_alert: float = 3600.0
    """Seconds of billing time after which an unconfirmed key needs an operator."""

    def __post_init__(self) -> None:
        if not 0 < self.http_deadline < self.lease:
            problem = f"the HTTP deadline ({self.http_deadline:g} s) must be shorter than the lease ({self.lease:g} s)"
            raise SettingsInvalid(f"BILLING_HTTP_DEADLINE: {problem}; raise BILLING_LEASE or lower the deadline")
        if not self.claim > 0:
            raise SettingsInvalid("BILLING_CLAIM: must be a positive number of seconds")
        if not 0 < self.first_look <= self.longest_look:
            raise SettingsInvalid("BILLING_RESOLVE_FIRST: must be positive and not above an hour")
        if not self.settle_window > 0:
            raise SettingsInvalid("BILLING_SETTLE_WINDOW: must be a positive number of seconds")
        if any(not seconds > 0 for _, seconds in self.settle_windows):
            raise SettingsInvalid("BILLING_SETTLE_WINDOWS: each must be a positive number of seconds")
        if not self.compare_interval > 0:
            raise SettingsInvalid("BILLING_COMPARE_INTERVAL: must be a positive number of seconds")

    @property
    def ahead(self) -> timedelta:
        """The longest wait of a worker for a turn at a PG, with the attempt written down.

        The call must end within the lease after that wait. Five seconds are more than the interval of beat.
        """
        return timedelta(seconds=min(LONGEST_AHEAD, (self.lease - self.http_deadline) / 2))

    def settle_window_of(self, pg_provider: str) -> timedelta:
        """How far apart two reads of this PG's payments must be to prove absence."""
        return timedelta(seconds=dict(self.settle_windows).get(pg_provider, self.settle_window))

    def next_look(self, looks: int, real_now: datetime) -> datetime:
        """When to read the gateway again after this many looks."""
        wait = min(self.first_look * 2.0 ** min(looks, 30), self.longest_look)
        return real_now + timedelta(seconds=wait)


def technical_backoff(failures: int) -> timedelta:
    """How long to wait before placing a charge again that did not reach the gateway: 1, 2, 4 … 60 minutes."""
    return min(timedelta(minutes=2 ** min(failures - 1, 10)), LARGEST_BACKOFF)
