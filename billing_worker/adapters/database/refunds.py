"""Refunds in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.payments import payment_attempts, refunds
from billing_worker.domain.errors import Conflict
from billing_worker.domain.refund import Refund

_CLAIM = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM refunds WHERE next_step_at <= :real_now
        ORDER BY next_step_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE refunds SET next_step_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")


class SqlRefunds(Repository[Refund]):
    """Refunds."""

    table = refunds
    kind = "refund"
    hydrate = staticmethod(rows.to_refund)

    def add(self, entity: Refund) -> None:
        """Store a new refund. Raises Conflict while another one of this payment is open."""
        try:
            super().add(entity)
        except IntegrityError as error:
            raise Conflict(f"another refund of attempt {entity.attempt_id} is not finished yet") from error

    def of_attempt(self, attempt_id: str) -> Sequence[Refund]:
        """All refunds of one payment, oldest first."""
        own = refunds.c.attempt_id == attempt_id
        return self._many(select(refunds).where(own).order_by(refunds.c.created_at, refunds.c.id))

    def of_invoice(self, invoice_id: str) -> Sequence[Refund]:
        """All refunds of an invoice's payments, oldest first."""
        statement = select(refunds).join(payment_attempts, payment_attempts.c.id == refunds.c.attempt_id)
        own = payment_attempts.c.invoice_id == invoice_id
        return self._many(statement.where(own).order_by(refunds.c.created_at, refunds.c.id))

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open refunds whose next step is due, oldest first. Postpones the step to `lease_until`."""
        wanted: dict[str, Any] = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM, wanted).scalars())
