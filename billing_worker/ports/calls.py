"""The calls of charges under way in this process, as use cases see them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from billing_worker.domain.payment import ChargeRequest, Outcome


@dataclass(frozen=True, slots=True)
class Intent:
    """A call to make; its attempt is committed."""

    attempt_id: str
    fence: int
    lease_until: datetime
    """Real time from which the attempt belongs to the resolver."""
    request: ChargeRequest = field(repr=False)
    call_at: datetime | None = None
    """Real time before which the call must not leave; None: at once."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of a call."""

    attempt_id: str
    fence: int
    """The attempt's fence at the start of the call: a different one now means that the attempt was taken over."""
    outcome: Outcome
    took: timedelta | None = None
    """Real time from the call to its answer; None if it was not measured."""

    @property
    def took_ms(self) -> int | None:
        """The same in whole milliseconds. A clock that was set back counts as no time."""
        return None if self.took is None else max(0, self.took // timedelta(milliseconds=1))


Record = Callable[[Sequence[Answered]], None]
"""Records answers. Raises Unavailable without a database: the attempts stay open, and are read later."""

InTime = Callable[[Intent], bool]
"""Whether a call could still end before its attempt belongs to the resolver."""


class Calls(Protocol):
    """Makes many calls at a time, and has their answers recorded many at a time."""

    def room(self, count: int) -> AbstractContextManager[None]:
        """Wait until this many more calls may be under way, and keep their places until the block ends."""

    def place(self, intents: Sequence[Intent], in_time: InTime, record: Record) -> None:
        """Make these calls, all at once, and return without waiting for their answers."""
