"""Payment attempts in memory, with the constraints of their SQL table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from billing_worker.domain.errors import Conflict
from billing_worker.domain.invoice import AttemptStatus, PaymentAttempt
from billing_worker.ports.incoming import Echo
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import DueIndex, Entry, GuardBroken, Table, either
from billing_worker.simulation.memory.unserved import Unserved


class MemoryAttempts(Table[PaymentAttempt]):
    """Payment attempts."""

    kind, entity = "attempt", PaymentAttempt

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self.by_invoice: defaultdict[str, list[str]] = defaultdict(list)
        self.open_of: dict[str, str] = {}
        self.looks = DueIndex()
        self._by_imp_uid: dict[str, str] = {}
        self._in_flight: dict[str, str] = {}
        self._seen: list[str] = []

    def add(self, entity: PaymentAttempt) -> None:
        """Store a new attempt. Raises Conflict when the invoice already has an open one."""
        try:
            super().add(entity)
        except GuardBroken as error:
            raise Conflict(f"invoice {entity.invoice_id} already has an open attempt") from error

    def guard(self, before: PaymentAttempt | None, after: PaymentAttempt) -> None:
        """Check one open attempt and one settling payment per invoice, an imp_uid once, and evidence of approvals."""
        if after.is_open:
            if self.open_of.get(after.invoice_id, after.id) != after.id:
                raise GuardBroken(f"invoice {after.invoice_id} has two open attempts")
        elif after.status is AttemptStatus.APPROVED:
            self._guard_approval(after)
        if after.is_open != (after.closed_at is None) or after.is_open != (after.next_look_at is not None):
            raise GuardBroken(f"attempt {after.id} is {after.status}, closed at {after.closed_at}")
        known = after.refunded == 0 or (after.status is AttemptStatus.APPROVED and after.refund_evidence_id is not None)
        if not known or not 0 <= after.refunded <= after.money.amount:
            raise GuardBroken(f"attempt {after.id} gave {after.refunded} back")
        if after.imp_uid is not None and self._by_imp_uid.get(after.imp_uid, after.id) != after.id:
            raise GuardBroken(f"payment {after.imp_uid} is on two attempts")
        if before is not None:
            return
        order = self._rows.invoices.order_ids.rows.get(after.merchant_uid)
        if order is None or order.invoice_id != after.invoice_id:
            raise GuardBroken(f"attempt {after.id} has the order of another invoice")
        if any(self.rows[each].number == after.number for each in self.by_invoice[after.invoice_id]):
            raise GuardBroken(f"invoice {after.invoice_id} has two attempts {after.number}")

    def _guard_approval(self, after: PaymentAttempt) -> None:
        if after.imp_uid is None or after.evidence_id is None:
            raise GuardBroken(f"attempt {after.id} is approved without evidence")
        others = (self.rows[each] for each in self.by_invoice[after.invoice_id] if each != after.id)
        if not after.surplus and any(row.status is AttemptStatus.APPROVED and not row.surplus for row in others):
            raise GuardBroken(f"invoice {after.invoice_id} is paid twice")

    def watch(self, before: PaymentAttempt | None, after: PaymentAttempt | None) -> None:
        """Index attempts by invoice, imp_uid, merchant_uid while in flight, the next look, and being open."""
        row = either(before, after)
        if before is None:
            self.by_invoice[row.invoice_id].append(row.id)
        else:
            self._forget(before)
        if after is None:
            self.by_invoice[row.invoice_id].remove(row.id)
            self.looks.set(row.id, None)
        else:
            self._note(after)
            self.looks.set(row.id, after.next_look_at)
        if before is None or after is None or before.is_open != after.is_open:
            self._rows.replan(row.invoice_id)

    def of_invoice(self, invoice_id: str) -> Sequence[PaymentAttempt]:
        """All attempts of an invoice, by number."""
        return [self.get(ident) for ident in self.by_invoice[invoice_id]]

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open attempts whose next look is due. Postpones their look to `lease_until`."""
        ids = self.looks.take(real_now, limit)
        for ident in ids:
            attempt = self.get(ident)
            attempt.next_look_at = lease_until
            self.save(attempt)
        return ids

    def open_on(self, key_ids: Sequence[str]) -> Mapping[str, int]:
        """The number of open attempts on each of these keys that has any."""
        keys = [self.rows[attempt_id].billing_key_id for attempt_id in self.open_of.values()]
        return {key_id: keys.count(key_id) for key_id in key_ids if key_id in keys}

    def echoes_of(self, payments: Sequence[tuple[str, str]]) -> Sequence[Echo]:
        """For each payment (imp_uid, merchant_uid), what a webhook with status `paid` would add to our attempts."""
        return [self.echo_of(*payment) for payment in payments]

    def closed_after(self, moment: datetime) -> bool:
        """Whether a payment that the gateway showed was recorded after this moment."""
        seen = (self.rows[ident] for ident in self._seen)
        return any(row.closed_at is not None and row.closed_at > moment for row in seen)

    def echo_of(self, imp_uid: str, merchant_uid: str) -> Echo:
        """What a webhook with status `paid` about this payment would add to our attempts."""
        found = self._by_imp_uid.get(imp_uid)
        if found is not None:
            row = self.rows[found]
            if row.merchant_uid == merchant_uid and row.status is AttemptStatus.APPROVED:
                return Echo.RECORDED
        return Echo.IN_FLIGHT if merchant_uid in self._in_flight else Echo.NONE

    def known_imp_uid(self, other_than: str) -> str | None:
        """The imp_uid of the newest payment that the gateway showed, for a control read."""
        seen = (self.rows[ident] for ident in reversed(self._seen))
        known = (row for row in seen if row.imp_uid and row.invoice_id != other_than)
        return next((row.imp_uid for row in known if not self._rows.doubts.holds(row.id)), None)

    def _forget(self, row: PaymentAttempt) -> None:
        if row.is_open:
            self.open_of.pop(row.invoice_id, None)
        if row.status is AttemptStatus.IN_FLIGHT:
            self._in_flight.pop(row.merchant_uid, None)
        if row.imp_uid is not None:
            self._by_imp_uid.pop(row.imp_uid, None)
            if self._seen and self._seen[-1] == row.id:
                self._seen.pop()

    def _note(self, row: PaymentAttempt) -> None:
        if row.is_open:
            self.open_of[row.invoice_id] = row.id
        if row.status is AttemptStatus.IN_FLIGHT:
            self._in_flight[row.merchant_uid] = row.id
        if row.imp_uid is not None:
            self._by_imp_uid[row.imp_uid] = row.id
            if row.closed_at is not None:
                self._seen.append(row.id)

    open_ids: Any = Unserved()
    unknown_texts: Any = Unserved()
