"""Refunds in memory, with the constraints of their SQL table."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.errors import Conflict
from billing_worker.domain.refund import Refund, RefundStatus
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import DueIndex, Entry, GuardBroken, Table, either


class MemoryRefunds(Table[Refund]):
    """Refunds."""

    kind, entity = "refund", Refund

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self._of_attempt: defaultdict[str, list[str]] = defaultdict(list)
        self.steps = DueIndex()

    def add(self, entity: Refund) -> None:
        """Store a new refund. Raises Conflict while another one of this payment is open."""
        try:
            super().add(entity)
        except GuardBroken as error:
            raise Conflict(f"another refund of attempt {entity.attempt_id} is not finished yet") from error

    def guard(self, before: Refund | None, after: Refund) -> None:
        """Check one open refund per payment, one per request key, the sum that is left, and evidence of success."""
        others = [self.rows[each] for each in self._of_attempt[after.attempt_id] if each != after.id]
        if after.is_open and any(row.is_open for row in others):
            raise GuardBroken(f"attempt {after.attempt_id} has two open refunds")
        if (
            before is None
            and after.idempotency_key is not None
            and after.idempotency_key in {o.idempotency_key for o in others}
        ):
            raise GuardBroken(f"request key {after.idempotency_key} of attempt {after.attempt_id} is used twice")
        if after.money.amount > after.balance or after.money.amount <= 0:
            raise GuardBroken(f"refund {after.id} is over {after.money} of {after.balance}")
        if after.is_open != (after.closed_at is None) or after.is_open != (after.next_step_at is not None):
            raise GuardBroken(f"refund {after.id} is {after.status}, closed at {after.closed_at}")
        if after.status is RefundStatus.SUCCEEDED and after.evidence_id is None:
            raise GuardBroken(f"refund {after.id} succeeded without evidence")

    def watch(self, before: Refund | None, after: Refund | None) -> None:
        """Index refunds by payment, and by the next step."""
        row = either(before, after)
        if before is None:
            self._of_attempt[row.attempt_id].append(row.id)
        if after is None:
            self._of_attempt[row.attempt_id].remove(row.id)
        self.steps.set(row.id, None if after is None else after.next_step_at)

    def of_attempt(self, attempt_id: str) -> Sequence[Refund]:
        """All refunds of one payment, oldest first."""
        return [self.get(ident) for ident in self._of_attempt[attempt_id]]

    def of_invoice(self, invoice_id: str) -> Sequence[Refund]:
        """All refunds of an invoice's payments, oldest first."""
        own = [refund for each in self._rows.attempts.by_invoice[invoice_id] for refund in self.of_attempt(each)]
        return sorted(own, key=lambda refund: (refund.created_at, refund.id))

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open refunds whose next step is due. Postpones the step to `lease_until`."""
        ids = self.steps.take(real_now, limit)
        for ident in ids:
            refund = self.get(ident)
            refund.next_step_at = lease_until
            self.save(refund)
        return ids
