"""The processes of this installation, and what was refused at the door: the facts of a look."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from billing_worker.domain.moment import Moment
from billing_worker.domain.presence import Observed, Presence, Watch

Refusals = Mapping[tuple[str, str], int]
"""Refused notifications, by source and reason."""


class Processes(Protocol):
    """The signs of processes, and the looks at them. Times are real unless they say otherwise."""

    def give_sign(self, sign: Presence) -> None:
        """Keep the newest sign of a process."""

    def leave(self, name: str) -> None:
        """Forget a process that ended as it should."""

    def forget(self, before: datetime) -> None:
        """Forget those whose last sign is older."""

    def lock_watch(self, real_now: datetime) -> Watch | None:
        """The watch, locked until the end of the transaction; None while another process looks."""

    def save_watch(self, watch: Watch) -> None:
        """Write the watch back."""

    def rehearse(self, real_now: datetime) -> None:
        """Take the lock of a first act, and write a row that is not to be kept. Raises Busy, Unavailable."""

    def observe(self, moment: Moment, unstarted_after: timedelta) -> Observed:
        """All facts of a look. `unstarted_after` is billing time."""

    def add_refused(self, real_now: datetime, refused: Refusals) -> None:
        """Count refused notifications: one row an hour, source and reason."""

    def refused_since(self, since: datetime) -> Sequence[tuple[str, str, int]]:
        """Source, reason and count of refused notifications, to the hour; the most frequent first."""


class PresenceRecords(Protocol):
    """The records of processes in a transaction."""

    @property
    def processes(self) -> Processes:
        """Processes."""
