"""Fallback keys in memory, with the constraints of their SQL table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from billing_worker.domain.fallback import Fallback, FallbackKey
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import Entry, GuardBroken, Table, either


class MemoryFallbackKeys(Table[FallbackKey]):
    """Fallback keys."""

    kind, entity = "fallback key", FallbackKey

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self.by_owner: defaultdict[str, list[str]] = defaultdict(list)

    def guard(self, before: FallbackKey | None, after: FallbackKey) -> None:
        """Check: an ended one has its time, a place is used once, and a key is a fallback once."""
        if (after.ended_because is None) != (after.ended_at is None):
            raise GuardBroken(f"fallback key {after.id} ended {after.ended_because} at {after.ended_at}")
        others = [self.rows[each] for each in self.by_owner[after.subscription_id] if each != after.id]
        if before is None and any(each.position == after.position for each in others):
            raise GuardBroken(f"place {after.position} of {after.subscription_id} is used twice")
        if any(each.billing_key_id == after.billing_key_id and each.ended_at is None for each in others):
            raise GuardBroken(f"key {after.billing_key_id} is a fallback of {after.subscription_id} twice")

    def watch(self, before: FallbackKey | None, after: FallbackKey | None) -> None:
        """Index fallback keys by subscription."""
        row = either(before, after)
        if before is None:
            self.by_owner[row.subscription_id].append(row.id)
        elif after is None:
            self.by_owner[row.subscription_id].remove(row.id)

    def of_subscription(self, subscription_id: str) -> Sequence[FallbackKey]:
        """All fallback keys that a subscription has or had, in their order."""
        return [self.get(each) for each in self.by_owner[subscription_id]]

    def in_use(self, subscription_ids: Sequence[str]) -> Mapping[str, Sequence[Fallback]]:
        """The fallback keys in use of those of these subscriptions that have any, in their order."""
        found = {}
        for owner in subscription_ids:
            own = [self.get(each) for each in self.by_owner[owner] if self.rows[each].ended_at is None]
            if own:
                found[owner] = [Fallback(each, self._rows.keys.get(each.billing_key_id)) for each in own]
        return found

    def backed_by(self, key_id: str) -> Sequence[str]:
        """Ids of the subscriptions that have this key as a fallback, in the order in which they are locked."""
        own = (row for row in self.rows.values() if row.billing_key_id == key_id and row.ended_at is None)
        return sorted(row.subscription_id for row in own)
