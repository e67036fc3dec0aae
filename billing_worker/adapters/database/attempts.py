"""Payment attempts in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, select, text
from sqlalchemy.exc import IntegrityError

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.payments import doubts, payment_attempts
from billing_worker.domain.errors import Conflict
from billing_worker.domain.invoice import PaymentAttempt
from billing_worker.ports.declines import UnknownText
from billing_worker.ports.incoming import Echo

_CLAIM_LOOKS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM payment_attempts WHERE next_look_at <= :real_now
        ORDER BY next_look_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE payment_attempts SET next_look_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")


_UNKNOWN_TEXTS = text("""
    SELECT k.pg_provider AS pg, regexp_replace(a.reason, '[0-9]+', '#', 'g') AS text, count(*) AS count,
           max(a.closed_at) AS last_at, (array_agg(a.invoice_id ORDER BY a.closed_at DESC))[1] AS invoice_id
    FROM payment_attempts a JOIN billing_keys k ON k.id = a.billing_key_id
    WHERE a.decline_category = 'unknown' AND a.closed_at >= :since
    GROUP BY 1, 2 ORDER BY 3 DESC, 4 DESC LIMIT :limit
""")


_OPEN_ON = text("""
    SELECT billing_key_id AS key_id, count(*) AS open FROM payment_attempts
    WHERE closed_at IS NULL AND next_look_at IS NOT NULL AND billing_key_id = ANY(:key_ids)
    GROUP BY 1
""")


_ECHOES_OF = text("""
    SELECT imp_uid, merchant_uid FROM payment_attempts WHERE imp_uid = ANY(:imp_uids) AND status = 'approved'
    UNION ALL
    SELECT NULL, merchant_uid FROM payment_attempts WHERE merchant_uid = ANY(:merchant_uids) AND status = 'in_flight'
""")


class SqlAttempts(Repository[PaymentAttempt]):
    """Payment attempts."""

    table = payment_attempts
    kind = "attempt"
    hydrate = staticmethod(rows.to_attempt)

    def add(self, entity: PaymentAttempt) -> None:
        """Store a new attempt. Raises Conflict when the invoice already has an open one."""
        try:
            super().add(entity)
        except IntegrityError as error:
            raise Conflict(f"invoice {entity.invoice_id} already has an open attempt") from error

    def of_invoice(self, invoice_id: str) -> Sequence[PaymentAttempt]:
        """All attempts of an invoice, by number."""
        own = payment_attempts.c.invoice_id == bindparam("invoice_id")
        statement = select(payment_attempts).where(own).order_by(payment_attempts.c.number)
        return self._many(statement, invoice_id=invoice_id)

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open attempts whose next look is due, oldest first. Postpones their look to `lease_until`."""
        wanted: dict[str, Any] = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_LOOKS, wanted).scalars())

    def open_ids(self) -> Sequence[str]:
        """Ids of all open attempts, oldest first."""
        statement = select(payment_attempts.c.id).where(payment_attempts.c.closed_at.is_(None))
        return list(self._connection.execute(statement.order_by(payment_attempts.c.started_at)).scalars())

    def open_on(self, key_ids: Sequence[str]) -> Mapping[str, int]:
        """The number of open attempts on each of these keys that has any."""
        return {row.key_id: row.open for row in self._connection.execute(_OPEN_ON, {"key_ids": list(key_ids)})}

    def unknown_texts(self, since: datetime, limit: int) -> Sequence[UnknownText]:
        """Texts of declines since then that no rule understands, the most frequent first."""
        found = self._connection.execute(_UNKNOWN_TEXTS, {"since": since, "limit": limit})
        return [UnknownText(**row) for row in found.mappings()]

    def echoes_of(self, payments: Sequence[tuple[str, str]]) -> Sequence[Echo]:
        """For each payment (imp_uid, merchant_uid), what a webhook with status `paid` would add to our attempts."""
        if not payments:
            return []
        imp_uids, merchant_uids = zip(*payments, strict=True)
        asked = {"imp_uids": list(imp_uids), "merchant_uids": list(merchant_uids)}
        found = {tuple(row) for row in self._connection.execute(_ECHOES_OF, asked)}
        return [
            Echo.RECORDED if payment in found else Echo.IN_FLIGHT if (None, payment[1]) in found else Echo.NONE
            for payment in payments
        ]

    def known_imp_uid(self, other_than: str) -> str | None:
        """The imp_uid of the newest payment that the gateway showed, for a control read."""
        seen = payment_attempts.c.imp_uid.is_not(None) & (payment_attempts.c.invoice_id != other_than)
        # A payment in doubt is no use as a control read.
        seen &= ~exists().where(doubts.c.id == payment_attempts.c.id)
        statement = select(payment_attempts.c.imp_uid).where(seen & payment_attempts.c.closed_at.is_not(None))
        return self._connection.execute(
            statement.order_by(payment_attempts.c.closed_at.desc()).limit(1)
        ).scalar_one_or_none()
