"""The access token: one for the whole process, fetched by one thread at a time.

PortOne's token lives 30 minutes. An earlier request returns the same token; a request in the last minute prolongs it by
five minutes (V1 documentation). So it is renewed in the last minute, and never earlier.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from billing_worker.adapters.network import Deadline

RENEW_BEFORE = 60.0
"""Seconds before the end in which PortOne prolongs a token."""

PAUSE_AFTER_FAILURE = 5.0
"""While the old token still works, callers do not all repeat a failed renewal at once."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and its life in seconds, by the gateway's clock."""

    value: str = field(repr=False)
    life: float


@dataclass(frozen=True, slots=True)
class NoToken:
    """No token was available: the gateway got no other request."""

    reason: str
    late: bool = False
    """Whether time ran out: a stall of this process may explain that."""


class Tokens:
    """Keeps one token fresh. Safe for many threads.

    Time is monotonic: this machine's wall clock cannot change a token's age.
    """

    def __init__(self, fetch: Callable[[Deadline], Token | NoToken], monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._fetching = False
        self._landings = 0
        self._landed: Token | NoToken = NoToken("no token was requested yet")
        self._token: str | None = None
        self._recent: deque[str] = deque(maxlen=4)
        self._ends = 0.0
        self._pause_until = 0.0

    def at_hand(self) -> str | None:
        """A token that is valid and needs no renewal, if there is one: without waiting."""
        with self._changed:
            now = self._monotonic()
            left = self._ends - now
            fresh = left > RENEW_BEFORE or (left > 0 and (self._fetching or now < self._pause_until))
            return self._token if fresh else None

    def get(self, deadline: Deadline) -> str | NoToken:
        """A token that should be valid. Fetches one, or waits for the thread that does, until the deadline."""
        with self._changed:
            now = self._monotonic()
            left = self._ends - now
            if self._token is not None and left > 0:
                renewing = self._fetching or now < self._pause_until
                if left > RENEW_BEFORE or renewing:
                    return self._token
            elif self._fetching:
                return self._await_landing(deadline)
            self._fetching = True
        return self._renew(deadline, now)

    def drop(self, value: str) -> None:
        """Drop this token, because the gateway refused it. A token fetched meanwhile stays."""
        with self._changed:
            if self._token == value:
                self._token = None

    def known(self) -> tuple[str, ...]:
        """The last few tokens, for masking: a dropped one can still appear in an answer."""
        return tuple(self._recent)

    def _await_landing(self, deadline: Deadline) -> str | NoToken:
        before = self._landings
        while self._landings == before:
            left = deadline.remaining()
            if left <= 0 or not self._changed.wait(left):
                return NoToken("another thread is still waiting for a token", late=True)
        landed = self._landed
        return landed.value if isinstance(landed, Token) else landed

    def _renew(self, deadline: Deadline, asked_at: float) -> str | NoToken:
        landed: Token | NoToken = NoToken("asking for a token was interrupted")
        try:
            landed = self._fetch(deadline)
        finally:
            with self._changed:
                valid = self._land(landed, asked_at)
        if isinstance(landed, Token):
            return landed.value
        return valid or landed

    def _land(self, landed: Token | NoToken, asked_at: float) -> str | None:
        self._fetching = False
        self._landings += 1
        self._landed = landed
        if isinstance(landed, Token):
            # Counted from before the request: the token's life began no earlier.
            self._token, self._ends = landed.value, asked_at + landed.life
            if landed.value not in self._recent:
                self._recent.append(landed.value)
        else:
            self._pause_until = self._monotonic() + PAUSE_AFTER_FAILURE
        self._changed.notify_all()
        return self._token if self._ends > self._monotonic() else None
