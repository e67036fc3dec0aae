"""Invoices in memory, with the constraints of their SQL tables."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.order_number import order_is_taken
from billing_worker.domain.subscription import COLLECTING
from billing_worker.ports.control import DueBetween
from billing_worker.simulation.memory.order_ids import OrderId, OrderIds
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import DueIndex, Entry, GuardBroken, Table, either

UNPAID = (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)


class MemoryInvoices(Table[Invoice]):
    """Invoices."""

    kind, entity = "invoice", Invoice

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self.order_ids = OrderIds(journal)
        self.due = DueIndex()
        self.win_backs = DueIndex()
        self.by_owner: defaultdict[str, list[str]] = defaultdict(list)
        self.open_by_key: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.open_by_owner: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._periods: set[tuple[str, datetime]] = set()
        self._numbers: set[tuple[str, int]] = set()
        self._leased: dict[str, datetime] = {}

    def add_all(self, entities: Sequence[Invoice]) -> frozenset[str]:
        """Store new invoices and their merchant_uids; the ids of those whose period had no invoice yet."""
        return frozenset([entity.id for entity in entities if self.add(entity)])

    def add_single(self, entity: Invoice) -> None:
        """Store a new single payment. Raises Conflict, with the id of the invoice that has its order number."""
        found = self.with_merchant_uid(entity.merchant_uid)
        if found is not None:
            raise order_is_taken(entity.merchant_uid, found)
        self.add(entity)

    def add(self, entity: Invoice) -> bool:
        """Store a new invoice and its merchant_uid; False when this period already has an invoice."""
        if entity.period is not None and (entity.owner_id, entity.period.start) in self._periods:
            return False
        super().add(entity)
        self._register(entity)
        return True

    def save(self, entity: Invoice) -> None:
        """Write the invoice back; registers a new merchant_uid when the generation grew."""
        if self.rows[entity.id].generation != entity.generation:
            self._register(entity)
        super().save(entity)

    def guard(self, before: Invoice | None, after: Invoice) -> None:
        """Check: one invoice per period, valid money and periods, and no closed invoice is due."""
        is_open = after.status is InvoiceStatus.OPEN
        if is_open != (after.closed_at is None) or (not is_open and after.next_attempt_at is not None):
            raise GuardBroken(f"invoice {after.id} is {after.status}, closed at {after.closed_at}")
        if after.win_back_at is not None and after.status not in UNPAID:
            raise GuardBroken(f"invoice {after.id} is {after.status}, and to be won back")
        if before is not None:
            return
        if (after.subscription_id is None, after.period is None) != (after.single is not None,) * 2:
            raise GuardBroken(f"invoice {after.id} is neither for a period nor a single payment")
        if after.money.amount <= 0 or (after.period is not None and after.period.end <= after.period.start):
            raise GuardBroken(f"invoice {after.id} is over {after.money} for {after.period}")
        if after.period is not None and (after.owner_id, after.period.index) in self._numbers:
            raise GuardBroken(f"period {after.period.index} of {after.subscription_id} has two invoices")

    def watch(self, before: Invoice | None, after: Invoice | None) -> None:
        """Index invoices by owner, period, key while open, lease, and the time when they are due."""
        row = either(before, after)
        if before is None or after is None:
            self._come_or_go(row, comes=after is not None)
        if before is not None:
            self.open_by_key[before.billing_key_id].pop(row.id, None)
            self.open_by_owner[row.owner_id].pop(row.id, None)
        self._leased.pop(row.id, None)
        if after is not None:
            if after.lease_until is not None:
                self._leased[row.id] = after.lease_until
            if after.status is InvoiceStatus.OPEN:
                self.open_by_key[after.billing_key_id][row.id] = None
                self.open_by_owner[row.owner_id][row.id] = None
        given_up = after is not None and after.status is InvoiceStatus.UNCOLLECTIBLE
        self.win_backs.set(row.id, row.win_back_at if given_up else None)
        self._rows.replan(row.id)

    def of_subscription(self, subscription_id: str) -> Sequence[Invoice]:
        """All invoices of a subscription, oldest first."""
        return [self.get(ident) for ident in self.by_owner[subscription_id]]

    def singles_of_key(self, key_id: str) -> Sequence[Invoice]:
        """Open single payments on a key, in the order in which they are locked: that of their ids."""
        return [self.get(each) for each in sorted(self.open_by_key[key_id]) if self.rows[each].single is not None]

    def voidable(self, subscription_id: str) -> Sequence[Invoice]:
        """Unpaid invoices of a subscription without an open attempt."""
        busy = self._rows.attempts.open_of
        own = self.by_owner[subscription_id]
        return [self.get(each) for each in own if self.rows[each].status in UNPAID and each not in busy]

    def claim_due(
        self,
        due: DueBetween,
        real_now: datetime,
        lease_until: datetime,
        limit: int,
        most: int | None = None,
        *,
        key_id: str | None = None,
    ) -> Sequence[str]:
        """Ids of invoices to serve now, oldest first, each with a new fence and a lease."""
        self._leased = {ident: until for ident, until in self._leased.items() if until > real_now}
        room = min(limit if most is None else most, limit - len(self._leased))

        def since(ident: str) -> datetime | None:
            row = self.rows[ident]
            when = row.next_attempt_at if key_id in (None, row.billing_key_id) else None
            within = when is not None and due.after < when <= due.until
            return when if within and due.failed in (None, row.failures > 0) else None

        ids = self.due.take_of(real_now, room, since)
        for ident in ids:
            invoice = self.get(ident)
            invoice.fence += 1
            invoice.lease_until = lease_until
            self.save(invoice)
        return ids

    def claim_win_backs(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of invoices to try once more after dunning. Postpones that try to `lease_until`."""
        ids = self.win_backs.take(now, limit)
        for ident in ids:
            invoice = self.get(ident)
            invoice.win_back_at = lease_until
            self.save(invoice)
        return ids

    def with_merchant_uid(self, merchant_uid: str) -> str | None:
        """The id of the invoice that has or ever had this merchant_uid."""
        found = self.order_ids.rows.get(merchant_uid)
        return None if found is None else found.invoice_id

    def register_merchant_uids(self, orders: Sequence[tuple[str, str, int]]) -> None:
        """Register order numbers (merchant_uid, invoice id, generation) of earlier generations, for good."""
        for order in orders:
            self.order_ids.add(OrderId(*order))

    def adopt_merchant_uid(self, invoice_id: str, merchant_uid: str) -> None:
        """Register the merchant_uid of a payment that was not placed by us."""
        self.order_ids.add(OrderId(merchant_uid, invoice_id, 0))

    def last_paid(self, subscription_id: str, currency: str) -> int | None:
        """The amount of the last paid invoice of a subscription in this currency."""
        own = (self.rows[ident] for ident in reversed(self.by_owner[subscription_id]))
        paid = (row for row in own if row.status is InvoiceStatus.PAID and row.money.currency == currency)
        newest = next(paid, None)
        return None if newest is None else newest.money.amount

    def due_from(self, invoice_id: str) -> datetime | None:
        """When a scan may first claim it; None while it must not be claimed."""
        row = self.rows.get(invoice_id)
        if row is None or row.status is not InvoiceStatus.OPEN or row.next_attempt_at is None:
            return None
        others = self._rows
        if invoice_id in others.attempts.open_of or others.keys.rows[row.billing_key_id].status is KeyStatus.PENDING:
            return None
        own = row.subscription_id
        if own is not None and others.subscriptions.rows[own].status not in COLLECTING:
            return None
        if others.stops.holding(row.owner_id, others.keys.rows[row.billing_key_id].pg_provider):
            return None
        return row.next_attempt_at if row.lease_until is None else max(row.next_attempt_at, row.lease_until)

    def _come_or_go(self, row: Invoice, *, comes: bool) -> None:
        owner, period = row.owner_id, row.period
        own = self.by_owner[owner]
        (own.append if comes else own.remove)(row.id)
        if period is None:
            return
        (self._periods.add if comes else self._periods.remove)((owner, period.start))
        (self._numbers.add if comes else self._numbers.remove)((owner, period.index))

    def _register(self, entity: Invoice) -> None:
        self.order_ids.add(OrderId(entity.merchant_uid, entity.id, entity.generation))


def oldest_first(invoice: Invoice) -> tuple[bool, int, str]:
    """By number of the period; single payments last, as PostgreSQL sorts rows without a number."""
    period = invoice.period
    return period is None, period.index if period is not None else 0, invoice.id
