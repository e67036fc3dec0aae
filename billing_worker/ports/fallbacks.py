"""Fallback keys, as use cases see them. The row of their subscription is their lock."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from billing_worker.domain.fallback import Fallback, FallbackKey


class FallbackKeys(Protocol):
    """Fallback keys."""

    def add(self, entity: FallbackKey) -> None:
        """Store a new fallback key."""

    def save(self, entity: FallbackKey) -> None:
        """Write the fallback key back."""

    def of_subscription(self, subscription_id: str) -> Sequence[FallbackKey]:
        """All fallback keys that a subscription has or had, in their order."""

    def in_use(self, subscription_ids: Sequence[str]) -> Mapping[str, Sequence[Fallback]]:
        """The fallback keys in use of those of these subscriptions that have any, in their order."""

    def backed_by(self, key_id: str) -> Sequence[str]:
        """Ids of the subscriptions that have this key as a fallback, in the order in which they are locked."""


class FallbackRecords(Protocol):
    """The records of fallback keys in a transaction."""

    @property
    def fallbacks(self) -> FallbackKeys:
        """Fallback keys."""
