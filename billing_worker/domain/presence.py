"""The processes of an installation: the signs that each gives, and since when they are watched. All in real time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from billing_worker.domain.queues import Queue

LOOKS = 6
"""A process gives so many signs, and is looked at so often, in the time after which it counts as silent."""

MOST_MISSED = 3
"""A pause in the looks of more than so many of them: the watch begins again, since the signs may have paused too."""

FORGOTTEN_AFTER = timedelta(hours=1)
"""A process that gives no sign for so long is forgotten: its host is gone, or it has another name now."""


class Role(StrEnum):
    """What a process does."""

    WEB = "web"
    WORKER = "worker"
    BEAT = "beat"


@dataclass(frozen=True, slots=True)
class Watching:
    """How processes are watched."""

    silent_after: timedelta = timedelta(seconds=60)
    """A process without a sign for so long is silent."""
    rate: float = 1.0
    """Seconds of billing time per real second: more than 1 only with a time machine."""

    @property
    def every(self) -> timedelta:
        """The time between two signs, and between two looks."""
        return self.silent_after / LOOKS

    def unstarted_after(self, claim: float) -> timedelta:
        """Work due for so long (billing time) was offered twice, and should have begun. `claim` in seconds."""
        return (self.silent_after + timedelta(seconds=2 * claim)) * self.rate


@dataclass(frozen=True, slots=True)
class Sign:
    """What a process says of itself. Ages are seconds since something happened; None: not yet."""

    name: str
    role: Role
    seen: float = 0.0
    """Since its main loop ran last: a thread of a frozen process may still run."""
    rung: float | None = None
    """Since a ring of beat was at the broker: sent by this beat, or heard by this worker."""
    worked: float | None = None
    """Since it took or finished work."""
    queues: tuple[str, ...] = ()
    """The queues that it takes work from."""

    def at(self, real_now: datetime) -> "Presence":
        """The same with times. Its beginning is that of its first sign."""

        def ago(seconds: float | None) -> datetime | None:
            return None if seconds is None else real_now - timedelta(seconds=seconds)

        seen_at = real_now - timedelta(seconds=self.seen)
        return Presence(
            self.name, self.role, real_now, seen_at, ago(self.rung), ago(self.worked), tuple(sorted(self.queues))
        )


@dataclass(frozen=True, slots=True)
class Presence:
    """A process, as its last sign told."""

    name: str
    role: Role
    started_at: datetime
    seen_at: datetime
    rung_at: datetime | None = None
    worked_at: datetime | None = None
    queues: tuple[str, ...] = ()

    def is_silent(self, real_now: datetime, watching: Watching) -> bool:
        """Whether its last sign is too old. A clock that went back makes none silent."""
        return real_now - self.seen_at > watching.silent_after


@dataclass(slots=True)
class Watch:
    """The looks at all processes, without a pause."""

    since: datetime
    seen_at: datetime

    def is_due(self, real_now: datetime, watching: Watching) -> bool:
        """Whether a look is due. A clock that went back makes one due."""
        return not timedelta() <= real_now - self.seen_at < watching.every * 0.9

    def note(self, real_now: datetime, watching: Watching) -> None:
        """Note a look."""
        if not timedelta() <= real_now - self.seen_at <= watching.every * MOST_MISSED:
            self.since = real_now
        self.seen_at = real_now

    def knows(self, real_now: datetime, watching: Watching) -> bool:
        """Whether it went on for long enough to say who is silent."""
        return real_now - self.since >= watching.silent_after and not self.has_paused(real_now, watching)

    def has_paused(self, real_now: datetime, watching: Watching) -> bool:
        """Whether nothing looks at the processes."""
        return real_now - self.seen_at > watching.silent_after


@dataclass(frozen=True, slots=True)
class Unstarted:
    """Work that is due, that no stop holds, and that no worker begins. Nothing of it: a count of 0."""

    count: int = 0
    since: datetime | None = None
    """Billing time since which the oldest of it is due."""


@dataclass(frozen=True, slots=True)
class Source:
    """What came from one sender of notifications within a day."""

    name: str
    came: bool
    """Whether a notification was taken."""
    paid: int
    """Charges that were paid and should have been told of by one; not counted where one came."""
    refused: int = 0
    """Refused notifications."""
    reason: str | None = None
    """The most frequent reason of them."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a look sees."""

    processes: Sequence[Presence] = ()
    watch: Watch | None = None
    unstarted: Unstarted = field(default_factory=Unstarted)
    sources: Sequence[Source] = ()

    def of(self, role: Role) -> Sequence[Presence]:
        """The processes of a role."""
        return [each for each in self.processes if each.role is role]

    def last_ring(self) -> datetime | None:
        """When a ring of beat was last at the broker."""
        return max((each.rung_at for each in self.processes if each.rung_at is not None), default=None)

    def last_work(self) -> datetime | None:
        """When a worker last took or finished work."""
        return max((each.worked_at for each in self.processes if each.worked_at is not None), default=None)

    def takers(self, real_now: datetime, watching: Watching) -> dict[Queue, int]:
        """By queue: how many workers take from it now."""
        alive = [each for each in self.of(Role.WORKER) if not each.is_silent(real_now, watching)]
        return {queue: sum(queue in each.queues for each in alive) for queue in Queue}
