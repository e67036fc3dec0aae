"""Comparisons of both books in PostgreSQL, and their queries on our books: one per page, not one per payment."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, text

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import billing_keys
from billing_worker.adapters.database.tables.payments import doubts, payment_attempts
from billing_worker.adapters.database.tables.review import comparisons
from billing_worker.domain.comparing import Booked
from billing_worker.domain.comparison import Comparison, ComparisonStatus, Span
from billing_worker.domain.errors import NotFound
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.payment import GatewayPayment
from billing_worker.ports.review import Issued, Known

_CLAIM = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM comparisons WHERE status <> 'done' AND next_try_at <= :real_now
        ORDER BY starts_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE comparisons SET next_try_at = :lease_until, status = 'open'
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")

_attempts = payment_attempts.c
_BOOKED = select(
    _attempts.id.label("attempt_id"),
    _attempts.invoice_id,
    _attempts.merchant_uid,
    _attempts.imp_uid,
    billing_keys.c.customer_uid,
    billing_keys.c.pg_provider,
    _attempts.amount,
    _attempts.currency,
    _attempts.status,
    _attempts.refunded,
    _attempts.surplus,
    _attempts.closed_at,
).join(billing_keys, billing_keys.c.id == _attempts.billing_key_id)

_ORDERS = text("""
    SELECT m.merchant_uid, m.invoice_id, a.status
    FROM merchant_uids m
    LEFT JOIN payment_attempts a ON a.invoice_id = m.invoice_id AND a.merchant_uid = m.merchant_uid
        AND a.closed_at IS NULL
    WHERE m.merchant_uid = ANY(:merchant_uids)
""")

_KEYS = text("""
    SELECT id, customer_uid, created_at, issue_imp_uid FROM billing_keys WHERE customer_uid = ANY(:customer_uids)
""")


class SqlComparisons(Repository[Comparison]):
    """Spans of time over which both books are compared."""

    table = comparisons
    kind = "comparison"
    hydrate = staticmethod(rows.to_comparison)

    def add(self, span: Span, real_now: datetime, next_try_at: datetime) -> int:  # type: ignore[override] # made of parts: the database numbers it
        """Store a new one, open. Returns its id."""
        values: dict[str, Any] = dict.fromkeys(("tries", "payments", "others", "booked", "alerted"), 0)
        values |= {"starts_at": span[0], "ends_at": span[1], "status": ComparisonStatus.OPEN}
        values |= {"created_at": real_now, "next_try_at": next_try_at}
        return int(self._connection.execute(insert(comparisons).returning(comparisons.c.id), values).scalar_one())

    def plan_alone(self) -> bool:
        """Lock the planning of spans until the end of the transaction; False if another transaction holds it."""
        taken = self._connection.execute(
            text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": AdvisoryLock.COMPARING.value}
        )
        return bool(taken.scalar_one())

    def lock_last(self) -> Comparison | None:
        """The comparison that ends last, locked."""
        found = self._many(select(comparisons).order_by(comparisons.c.ends_at.desc()).limit(1).with_for_update())
        return found[0] if found else None

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[int]:
        """Ids of comparisons to read now, oldest first, leased to the caller."""
        wanted = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM, wanted).scalars())

    def known(self, payments: Sequence[GatewayPayment], merchant_uids: Sequence[str] = ()) -> Known:
        """The rows of our books for these payments and these orders."""
        imp_uids = [payment.imp_uid for payment in payments]
        orders = [*merchant_uids, *(payment.merchant_uid for payment in payments)]
        cards = [payment.customer_uid for payment in payments if payment.customer_uid]
        booked = self._connection.execute(_BOOKED.where(_attempts.imp_uid.in_(imp_uids))).mappings()
        found = self._connection.execute(_ORDERS, {"merchant_uids": orders}).all()
        keys = self._connection.execute(_KEYS, {"customer_uids": cards}).all()
        return Known(
            booked={row["imp_uid"]: rows.to_booked(dict(row)) for row in booked},
            invoices={row.merchant_uid: row.invoice_id for row in found},
            open_attempts={row.merchant_uid: AttemptStatus(row.status) for row in found if row.status},
            keys={row.customer_uid: row.created_at.astimezone(UTC) for row in keys},
            issued={row.customer_uid: Issued(row.id, row.issue_imp_uid) for row in keys if row.issue_imp_uid},
        )

    def approved_between(self, start: datetime, end: datetime, after: Booked | None, limit: int) -> Sequence[Booked]:
        """Attempts that became approved in this span (billing time), in order, starting after `after`."""
        within = (_attempts.status == AttemptStatus.APPROVED) & (_attempts.closed_at >= start)
        statement = _BOOKED.where(within & (_attempts.closed_at < end) & _attempts.imp_uid.is_not(None))
        if after is not None:
            later = _attempts.closed_at > after.closed_at
            statement = statement.where(
                later | ((_attempts.closed_at == after.closed_at) & (_attempts.id > after.attempt_id))
            )
        found = self._connection.execute(statement.order_by(_attempts.closed_at, _attempts.id).limit(limit)).mappings()
        return [rows.to_booked(dict(row)) for row in found]

    def booked(self, attempt_id: str) -> Booked:
        """The compared fields of an attempt. Raises NotFound."""
        row = self._connection.execute(_BOOKED.where(_attempts.id == attempt_id)).mappings().one_or_none()
        if row is None:
            raise NotFound("attempt", attempt_id)
        return rows.to_booked(dict(row))

    def doubted(self, before: datetime, limit: int) -> Sequence[Booked]:
        """Attempts whose payment is in doubt and was last read before `before` (real time), oldest read first."""
        statement = _BOOKED.join(doubts, doubts.c.id == _attempts.id)
        statement = statement.where((doubts.c.looked_at < before) & _attempts.imp_uid.is_not(None))
        found = self._connection.execute(statement.order_by(doubts.c.looked_at).limit(limit)).mappings()
        return [rows.to_booked(dict(row)) for row in found]
