"""Calls about keys in memory, with the constraints of their SQL table."""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.errors import Conflict
from billing_worker.domain.key_call import CallKind, CallStatus, KeyCall
from billing_worker.simulation.memory.tables import DueIndex, Entry, GuardBroken, Table, either


class MemoryKeyCalls(Table[KeyCall]):
    """Calls that store or delete keys at the gateway."""

    kind, entity = "call about a key", KeyCall

    def __init__(self, journal: list[Entry]) -> None:
        super().__init__(journal)
        self.steps = DueIndex()

    def add(self, entity: KeyCall) -> None:
        """Store a new call. Raises Conflict while another one about this key is open."""
        if any(call.is_open for call in self.of_key(entity.key_id)):
            raise Conflict(f"billing key {entity.key_id} is being issued or deleted; wait for the result")
        super().add(entity)

    def guard(self, before: KeyCall | None, after: KeyCall) -> None:  # noqa: ARG002 - one interface
        """Check that only an open call has a next step, and that a deletion has a reason."""
        if after.is_open != (after.closed_at is None) or after.is_open != (after.next_step_at is not None):
            raise GuardBroken(f"call {after.id} is {after.status}, closed at {after.closed_at}")
        if after.kind is CallKind.DELETE and (
            after.reason is None or after.replaces or after.status in (CallStatus.ABSENT, CallStatus.TAKEN)
        ):
            raise GuardBroken(f"call {after.id} deletes, and is {after.status} for {after.reason}")

    def watch(self, before: KeyCall | None, after: KeyCall | None) -> None:
        """Index calls by the next step."""
        self.steps.set(either(before, after).id, None if after is None else after.next_step_at)

    def of_key(self, key_id: str) -> Sequence[KeyCall]:
        """All calls about a key, oldest first."""
        own = [self.get(call.id) for call in self.rows.values() if call.key_id == key_id]
        return sorted(own, key=lambda call: (call.created_at, call.id))

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open calls whose next step is due. Postpones the step to `lease_until`."""
        ids = self.steps.take(real_now, limit)
        for ident in ids:
            call = self.get(ident)
            call.next_step_at = lease_until
            self.save(call)
        return ids
