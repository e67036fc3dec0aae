"""Lists of things: which kind, which of them, and which part of the list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Position = tuple[str, ...]
"""Where a part of a list ended: the values by which the list is ordered, as text."""


class Kind(StrEnum):
    """What can be listed."""

    PLANS = "plans"
    BILLING_KEYS = "billing_keys"
    SUBSCRIPTIONS = "subscriptions"
    INVOICES = "invoices"
    ATTEMPTS = "attempts"
    REFUNDS = "refunds"
    STOPS = "stops"
    ALERTS = "alerts"
    EVENTS = "events"
    NOTIFICATIONS = "notifications"
    ACTIONS = "actions"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a list, newest first."""

    items: Sequence[Any]
    """Entities of the kind that was asked for."""
    next: Position | None
    """Where the next part begins; None at the end."""


class Lists(Protocol):
    """Every list, newest first. Rows that are added meanwhile come before the first part and move no later one."""

    def part(self, kind: Kind, wanted: Mapping[str, object], limit: int, after: Position | None) -> Part:
        """At most `limit` things that fit all of `wanted`, from behind `after`.

        Raises InvalidInput (`cursor`) for a position that is none of this kind.
        """

    def filters(self, kind: Kind) -> Sequence[str]:
        """The names that `wanted` may hold."""


class ListRecords(Protocol):
    """What a transaction offers to list."""

    @property
    def lists(self) -> Lists:
        """Every list."""
