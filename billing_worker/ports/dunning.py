"""Dunning policies, as use cases see them."""

from collections.abc import Sequence
from typing import Protocol

from billing_worker.domain.dunning.version import PolicyVersion


class DunningPolicies(Protocol):
    """Named policies in their versions. A version never changes, and is never deleted."""

    def get(self, version_id: str) -> PolicyVersion:
        """The version with this id, such as `paydays@2`. Raises NotFound."""

    def newest(self, name: str) -> PolicyVersion | None:
        """The newest version of this policy; None if there is none."""

    def add(self, version: PolicyVersion) -> bool:
        """Store a version; False if another transaction has stored this number."""

    def all(self) -> Sequence[PolicyVersion]:
        """Every version of every policy, by name and number."""


class DunningRecords(Protocol):
    """The policies in a transaction."""

    @property
    def dunning_policies(self) -> DunningPolicies:
        """Dunning policies."""
