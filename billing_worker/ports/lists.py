"""Lists of entities: their kind, filters and parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Position = tuple[str, ...]
"""The end of a part of a list: the values that order the list, as text."""


class Kind(StrEnum):
    """The kinds of entities that can be listed."""

    DUNNING_POLICIES = "dunning_policies"
    """Every version of each."""
    PLANS = "plans"
    BILLING_KEYS = "billing_keys"
    SUBSCRIPTIONS = "subscriptions"
    INVOICES = "invoices"
    PAYMENTS = "payments"
    """Invoices without a period."""
    ATTEMPTS = "attempts"
    SCHEDULES = "schedules"
    SHADOW = "shadow"
    REFUNDS = "refunds"
    STOPS = "stops"
    ALERTS = "alerts"
    EVENTS = "events"
    NOTICES = "notices"
    NOTIFICATIONS = "notifications"
    ACTIONS = "actions"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a list, newest first."""

    items: Sequence[Any]
    """Entities of the requested kind."""
    next: Position | None
    """Where the next part begins; None at the end."""


class Lists(Protocol):
    """Every list, newest first. Rows added meanwhile come before the first part and do not shift later parts."""

    def part(self, kind: Kind, wanted: Mapping[str, object], limit: int, after: Position | None) -> Part:
        """At most `limit` entities that match all of `wanted`, starting after `after`.

        Raises InvalidInput (`cursor`) for a position of another kind.
        """

    def filters(self, kind: Kind) -> Sequence[str]:
        """The names that `wanted` may have."""


class ListRecords(Protocol):
    """The lists in a transaction."""

    @property
    def lists(self) -> Lists:
        """Every list."""
