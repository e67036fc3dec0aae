"""The calls of charges under way in this process, as the use cases see them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from billing_worker.domain.payment import ChargeRequest, Outcome


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that is to be made; its attempt is committed."""

    attempt_id: str
    fence: int
    lease_until: datetime
    """Real time. From then on the attempt belongs to the resolver."""
    request: ChargeRequest = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a call."""

    attempt_id: str
    fence: int
    """Of the attempt when the call was begun: another one means that the attempt was taken over."""
    outcome: Outcome


Record = Callable[[Sequence[Answered]], None]
"""Records answers. Raises Unavailable where no database was met: the attempts stay open, and are read later."""

InTime = Callable[[Intent], bool]
"""Whether a call could still end before its attempt belongs to the resolver."""


class Calls(Protocol):
    """Makes many calls at a time, and has their answers recorded many at a time."""

    def room(self, count: int) -> AbstractContextManager[None]:
        """Wait until so many more calls may be under way, and keep their place until the block ends."""

    def place(self, intents: Sequence[Intent], in_time: InTime, record: Record) -> None:
        """Make these calls, all at once, and return without waiting for their answers."""
