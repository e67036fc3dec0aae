"""Invoices in PostgreSQL.

A claim decides only *which* invoices to serve. The domain decides again, under the subscription's lock, whether to
charge.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import TextClause, exists, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.stops import SCOPE_OF_INVOICE
from billing_worker.adapters.database.tables.billing import invoices, merchant_uids
from billing_worker.adapters.database.tables.payments import payment_attempts
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.order_number import order_is_taken
from billing_worker.domain.subscription import COLLECTING
from billing_worker.ports.control import DueBetween

_CLAIM = """
    WITH chosen AS MATERIALIZED (
        SELECT i.id FROM invoices i
        LEFT JOIN subscriptions s ON s.id = i.subscription_id
        JOIN billing_keys k ON k.id = i.billing_key_id
        WHERE i.status = 'open' AND i.next_attempt_at > :after AND i.next_attempt_at <= :until
          AND (i.failures > 0) = COALESCE(:failed, i.failures > 0) {only}
          AND (i.lease_until IS NULL OR i.lease_until <= :real_now)
          AND k.status <> 'pending' AND (i.subscription_id IS NULL OR s.status = ANY(:collecting))
          AND NOT EXISTS (SELECT FROM payment_attempts a
                          WHERE a.invoice_id = i.id AND a.status IN ('in_flight', 'unknown'))
          AND NOT EXISTS (SELECT FROM stops WHERE closed_at IS NULL AND scope = 'all')
          AND NOT EXISTS (SELECT FROM stops t WHERE t.closed_at IS NULL
                          AND t.scope IN ('pg:' || k.pg_provider, {scope}))
        ORDER BY i.next_attempt_at
        LIMIT LEAST(:most, GREATEST(0, :limit - (SELECT count(*) FROM invoices WHERE lease_until > :real_now)))
        FOR UPDATE OF i SKIP LOCKED)
    UPDATE invoices SET fence = fence + 1, lease_until = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
"""


_CLAIM_INVOICES = text(_CLAIM.format(only="", scope=SCOPE_OF_INVOICE))


_CLAIM_INVOICES_OF_KEY = text(_CLAIM.format(only="AND i.billing_key_id = :key_id", scope=SCOPE_OF_INVOICE))
"""Fills the queue up to `limit` claimed invoices, so that a slow worker's queue does not grow."""


_CLAIM_WIN_BACKS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM invoices WHERE win_back_at <= :now AND status = 'uncollectible'
        ORDER BY win_back_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE invoices SET win_back_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")


_REGISTER = text("""
    INSERT INTO merchant_uids (merchant_uid, invoice_id, generation)
    SELECT merchant_uid, invoice_id, generation
    FROM json_populate_recordset(NULL::merchant_uids, CAST(:orders AS json))
""")


class SqlInvoices(Repository[Invoice]):
    """Invoices, and the register of merchant_uids."""

    table = invoices
    kind = "invoice"
    hydrate = staticmethod(rows.to_invoice)
    values = staticmethod(rows.invoice_values)

    @cached_property
    def _add_all_new(self) -> TextClause:
        return text(f"{self._sql_of_insert_all} ON CONFLICT (subscription_id, period_start) DO NOTHING RETURNING id")

    def add(self, entity: Invoice) -> bool:
        """Store a new invoice and its merchant_uid; False when this period has its invoice already."""
        return entity.id in self.add_all([entity])

    def add_single(self, entity: Invoice) -> None:
        """Store a new single payment. Raises Conflict, with the id of the invoice that has its order number.

        The insert has a savepoint: a failed transaction could not look for the other one.
        """
        try:
            with self._connection.begin_nested():
                self.add_all([entity])
        except IntegrityError as error:
            found = self.with_merchant_uid(entity.merchant_uid)
            if found is None:
                raise
            raise order_is_taken(entity.merchant_uid, found) from error

    def add_all(self, entities: Sequence[Invoice]) -> frozenset[str]:
        """Store new invoices and their merchant_uids; the ids of those whose period had no invoice yet."""
        if not entities:
            return frozenset()
        new = {"rows": self._written_new(entities)}
        added = frozenset(self._connection.execute(self._add_all_new, new).scalars())
        for entity in entities:
            if entity.id not in added:
                del self._loaded[entity.id]
        self._register([entity for entity in entities if entity.id in added])
        return added

    def save(self, entity: Invoice) -> None:
        """Write the invoice back; registers a new merchant_uid when the generation grew."""
        self._register([entity] if self._has_grown(entity) else [])
        super().save(entity)

    def save_all(self, entities: Sequence[Invoice]) -> None:
        """Write those back that changed; registers their new merchant_uids."""
        self._register([entity for entity in entities if self._has_grown(entity)])
        super().save_all(entities)

    def of_subscription(self, subscription_id: str) -> Sequence[Invoice]:
        """All invoices of a subscription, oldest first."""
        own = invoices.c.subscription_id == subscription_id
        return self._many(select(invoices).where(own).order_by(invoices.c.period_index))

    def singles_of_key(self, key_id: str) -> Sequence[Invoice]:
        """Open single payments on a key, in the order in which they are locked: that of their ids."""
        own = invoices.c.subscription_id.is_(None) & (invoices.c.billing_key_id == key_id)
        of_key = select(invoices).where(own, invoices.c.status == InvoiceStatus.OPEN)
        return self._many(of_key.order_by(invoices.c.id))

    def voidable(self, subscription_id: str) -> Sequence[Invoice]:
        """Unpaid invoices of a subscription without an open attempt."""
        unpaid = invoices.c.status.in_([InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE])
        open_attempt = (payment_attempts.c.invoice_id == invoices.c.id) & payment_attempts.c.closed_at.is_(None)
        own = (invoices.c.subscription_id == subscription_id) & unpaid & ~exists().where(open_attempt)
        return self._many(select(invoices).where(own).order_by(invoices.c.period_index))

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
        wanted: dict[str, Any] = {"after": due.after, "until": due.until, "failed": due.failed}
        wanted |= {"limit": limit, "most": limit if most is None else most, "real_now": real_now}
        wanted |= {"lease_until": lease_until, "collecting": [str(s) for s in COLLECTING]}
        if key_id is None:
            return list(self._connection.execute(_CLAIM_INVOICES, wanted).scalars())
        return list(self._connection.execute(_CLAIM_INVOICES_OF_KEY, wanted | {"key_id": key_id}).scalars())

    def claim_win_backs(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of invoices to try once more after dunning, oldest first. Postpones that try to `lease_until`."""
        wanted: dict[str, Any] = {"now": now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_WIN_BACKS, wanted).scalars())

    def with_merchant_uid(self, merchant_uid: str) -> str | None:
        """The id of the invoice that has or ever had this merchant_uid."""
        statement = select(merchant_uids.c.invoice_id).where(merchant_uids.c.merchant_uid == merchant_uid)
        return self._connection.execute(statement).scalar_one_or_none()

    def register_merchant_uids(self, orders: Sequence[tuple[str, str, int]]) -> None:
        """Register order numbers (merchant_uid, invoice id, generation) of earlier generations, for good."""
        names = ("merchant_uid", "invoice_id", "generation")
        if orders:
            rows_ = [dict(zip(names, order, strict=True)) for order in orders]
            self._connection.execute(_REGISTER, {"orders": json.dumps(rows_)})

    def adopt_merchant_uid(self, invoice_id: str, merchant_uid: str) -> None:
        """Register the merchant_uid of a payment that was not placed by us, as generation 0, which ours never have."""
        adopted = {"merchant_uid": merchant_uid, "invoice_id": invoice_id, "generation": 0}
        self._connection.execute(insert(merchant_uids), adopted)

    def _has_grown(self, entity: Invoice) -> bool:
        before = self._loaded.get(entity.id)
        return before is not None and before["generation"] != entity.generation

    def _register(self, entities: Sequence[Invoice]) -> None:
        self.register_merchant_uids([(each.merchant_uid, each.id, each.generation) for each in entities])
