"""Dunning policies in memory."""

from collections.abc import Sequence

from billing_worker.domain.dunning.version import PolicyVersion
from billing_worker.simulation.memory.tables import Table


class MemoryDunningPolicies(Table[PolicyVersion]):
    """Named policies in their versions."""

    kind, entity = "dunning policy", PolicyVersion

    def newest(self, name: str) -> PolicyVersion | None:
        """The newest version of this policy; None if there is none."""
        found = [row for row in self.rows.values() if row.name == name]
        return max(found, key=lambda row: row.version, default=None)

    def add(self, entity: PolicyVersion) -> bool:
        """Store a version; False if it is stored."""
        if entity.id in self.rows:
            return False
        super().add(entity)
        return True

    def all(self) -> Sequence[PolicyVersion]:
        """Every version of every policy, by name and number."""
        return sorted(self.rows.values(), key=lambda row: (row.name, row.version))
