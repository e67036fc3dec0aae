"""The records of one charge in PostgreSQL: locked together, read together, written back together."""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, insert, select

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.attempts import SqlAttempts
from billing_worker.adapters.database.environment import ELSEWHERE
from billing_worker.adapters.database.invoices import SqlInvoices
from billing_worker.adapters.database.keys import SqlBillingKeys
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.plans import SqlPlans
from billing_worker.adapters.database.repository import Values
from billing_worker.adapters.database.stops import ON_INVOICE
from billing_worker.adapters.database.subscriptions import SqlSubscriptions
from billing_worker.adapters.database.tables.billing import billing_keys, invoices, plans, subscriptions
from billing_worker.adapters.database.tables.payments import evidence, payment_attempts
from billing_worker.domain.errors import NotFound
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.payment import Evidence
from billing_worker.domain.settlement import LockedInvoice, Settlement
from billing_worker.ports.charging import DueInvoice

_OF_INVOICE = select(invoices.c.subscription_id).where(invoices.c.id == bindparam("ident")).scalar_subquery()
_OF_ATTEMPT = (
    select(invoices.c.subscription_id)
    .join(payment_attempts, payment_attempts.c.invoice_id == invoices.c.id)
    .where(payment_attempts.c.id == bindparam("ident"))
    .scalar_subquery()
)


def _locking(own: Any) -> Any:
    return select(subscriptions).where(subscriptions.c.id == own).with_for_update()


# A separate statement locks the subscription. Rows that one statement joins to a row it waited for would be as old as
# the statement, not as the lock. The same statement takes a lock that all first acts share: its exclusive holder knows
# that every first act has ended.
_LOCK_BY_INVOICE = _locking(_OF_INVOICE).where(
    func.pg_advisory_xact_lock_shared(AdvisoryLock.CHARGING.value).is_not(None)
)
_LOCK_BY_ATTEMPT = _locking(_OF_ATTEMPT)
_LOCK_OWNER_OF_INVOICE = _locking(_OF_INVOICE)

_OPEN_ATTEMPT = (
    exists()
    .where((payment_attempts.c.invoice_id == invoices.c.id) & payment_attempts.c.closed_at.is_(None))
    .label("open")
)
_earlier = invoices.alias("earlier")
_LAST_PAID = (
    select(_earlier.c.amount)
    .where(_earlier.c.subscription_id == invoices.c.subscription_id)
    .where((_earlier.c.status == InvoiceStatus.PAID) & (_earlier.c.currency == invoices.c.currency))
    .order_by(_earlier.c.period_index.desc())
    .limit(1)
    .scalar_subquery()
    .correlate(invoices)
)
_DUE = (
    select(
        *(invoices, billing_keys, plans, _OPEN_ATTEMPT),
        ON_INVOICE.label("stop"),
        ELSEWHERE.label("elsewhere"),
        _LAST_PAID.label("last_paid"),
    )
    .join(billing_keys, billing_keys.c.id == invoices.c.billing_key_id)
    .join(subscriptions, subscriptions.c.id == invoices.c.subscription_id)
    .join(plans, plans.c.id == subscriptions.c.plan_id)
    .where(invoices.c.id == bindparam("ident"))
)
_DUE_FACTS = ["open", "stop", "elsewhere", "last_paid"]
_DUE_NAMES = [*([c.name for c in table.c] for table in (invoices, billing_keys, plans)), _DUE_FACTS]

_EVIDENCE = select(evidence.c.source, evidence.c.request, evidence.c.http_status, evidence.c.body).where(
    evidence.c.id == bindparam("ident")
)
_INVOICE_OF_ATTEMPT = (
    select(payment_attempts.c.invoice_id).where(payment_attempts.c.id == bindparam("ident")).scalar_subquery()
)


def _locked_invoice(invoice: Any) -> Any:
    """An invoice with its plan, and its attempts with their keys: one row per attempt, by number."""
    own_key = func.coalesce(payment_attempts.c.billing_key_id, invoices.c.billing_key_id)
    return (
        select(invoices, plans, billing_keys, payment_attempts)
        .join(subscriptions, subscriptions.c.id == invoices.c.subscription_id)
        .join(plans, plans.c.id == subscriptions.c.plan_id)
        .outerjoin(payment_attempts, payment_attempts.c.invoice_id == invoices.c.id)
        .join(billing_keys, billing_keys.c.id == own_key)
        .where(invoices.c.id == invoice)
        .order_by(payment_attempts.c.number)
    )


_AT_ATTEMPT = _locked_invoice(_INVOICE_OF_ATTEMPT)
_AT_INVOICE = _locked_invoice(bindparam("ident"))
_AT_NAMES = [[c.name for c in table.c] for table in (invoices, plans, billing_keys, payment_attempts)]


class SqlChargingRecords:
    """The records of billing and charging in a transaction. Each repository is made at first use."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @cached_property
    def plans(self) -> SqlPlans:
        """Plans."""
        return SqlPlans(self._connection)

    @cached_property
    def keys(self) -> SqlBillingKeys:
        """Billing keys."""
        return SqlBillingKeys(self._connection)

    @cached_property
    def subscriptions(self) -> SqlSubscriptions:
        """Subscriptions."""
        return SqlSubscriptions(self._connection)

    @cached_property
    def invoices(self) -> SqlInvoices:
        """Invoices."""
        return SqlInvoices(self._connection)

    @cached_property
    def attempts(self) -> SqlAttempts:
        """Payment attempts."""
        return SqlAttempts(self._connection)

    def lock_due(self, invoice_id: str) -> DueInvoice:
        """An invoice with its subscription (locked), key and plan. Raises NotFound."""
        subscription = self._lock(_LOCK_BY_INVOICE, "invoice", invoice_id)
        row = self._connection.execute(_DUE, {"ident": invoice_id}).one()
        invoice, key, plan, facts = _split(row, _DUE_NAMES)
        return DueInvoice(
            subscription=self.subscriptions.adopt(subscription),
            invoice=self.invoices.adopt(invoice),
            key=self.keys.adopt(key),
            plan=rows.to_plan(plan),
            has_open_attempt=facts["open"],
            stop=facts["stop"],
            elsewhere=bool(facts["elsewhere"]),
            last_paid=facts["last_paid"],
        )

    def lock_settlement(self, attempt_id: str) -> Settlement:
        """An attempt with all records that its outcome can change, under the subscription's lock. Raises NotFound."""
        subscription = self._lock(_LOCK_BY_ATTEMPT, "attempt", attempt_id)
        locked = self._read_invoice(_AT_ATTEMPT, subscription, attempt_id)
        return locked.about(next(attempt for attempt in locked.attempts if attempt.id == attempt_id))

    def lock_invoice(self, invoice_id: str) -> LockedInvoice:
        """An invoice with all records that an outcome can change, under the subscription's lock. Raises NotFound."""
        subscription = self._lock(_LOCK_OWNER_OF_INVOICE, "invoice", invoice_id)
        return self._read_invoice(_AT_INVOICE, subscription, invoice_id)

    def _read_invoice(self, statement: Any, subscription: Values, ident: str) -> LockedInvoice:
        found = [_split(row, _AT_NAMES) for row in self._connection.execute(statement, {"ident": ident})]
        invoice, plan = found[0][0], found[0][1]
        keys = {key["id"]: key for _, _, key, _ in found}
        return LockedInvoice(
            subscription=self.subscriptions.adopt(subscription),
            invoice=self.invoices.adopt(invoice),
            plan=rows.to_plan(plan),
            keys={ident: self.keys.adopt(key) for ident, key in keys.items()},
            attempts=[self.attempts.adopt(attempt) for *_, attempt in found if attempt["id"] is not None],
        )

    def keep_evidence(self, attempt_id: str | None, evidence_: Evidence, real_now: datetime) -> int:
        """Store the gateway's answer. Returns the evidence's id."""
        values = {
            "attempt_id": attempt_id,
            "source": evidence_.source,
            "request": evidence_.request,
            "http_status": evidence_.http_status,
            "body": evidence_.body,
            "received_at": real_now,
        }
        return int(self._connection.execute(insert(evidence).returning(evidence.c.id), values).scalar_one())

    def evidence(self, evidence_id: int) -> Evidence:
        """The gateway's answer as stored. Raises NotFound."""
        row = self._connection.execute(_EVIDENCE, {"ident": evidence_id}).mappings().one_or_none()
        if row is None:
            raise NotFound("evidence", str(evidence_id))
        return Evidence(**row)

    def _lock(self, statement: Any, kind: str, ident: str) -> Values:
        row = self._connection.execute(statement, {"ident": ident}).mappings().one_or_none()
        if row is None:
            raise NotFound(kind, ident)
        return dict(row)


def _split(row: Sequence[Any], names: Sequence[Sequence[str]]) -> list[Values]:
    """A joined row, split into one dictionary per table."""
    parts, start = [], 0
    for columns in names:
        parts.append(dict(zip(columns, row[start : start + len(columns)], strict=True)))
        start += len(columns)
    return parts
