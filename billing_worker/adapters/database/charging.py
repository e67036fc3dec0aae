"""The records of one charge in PostgreSQL: locked together, read together, written back together."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import ARRAY, Connection, String, any_, bindparam, exists, func, select, text

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.attempts import SqlAttempts
from billing_worker.adapters.database.environment import ELSEWHERE
from billing_worker.adapters.database.invoices import SqlInvoices
from billing_worker.adapters.database.keys import SqlBillingKeys
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.plans import SqlPlans
from billing_worker.adapters.database.repository import Values
from billing_worker.adapters.database.stops import first_stop
from billing_worker.adapters.database.subscriptions import SqlSubscriptions
from billing_worker.adapters.database.tables.billing import billing_keys, invoices, plans, subscriptions
from billing_worker.adapters.database.tables.payments import evidence, payment_attempts
from billing_worker.domain.errors import NotFound
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.payment import Evidence
from billing_worker.domain.settlement import LockedInvoice, Settlement
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.charging import DueInvoice, DueSubscription

T = TypeVar("T")

_IDS = bindparam("ids", type_=ARRAY(String))
_OF_INVOICES = select(invoices.c.subscription_id).where(invoices.c.id == any_(_IDS))
_OF_ATTEMPTS = (
    select(invoices.c.subscription_id)
    .join(payment_attempts, payment_attempts.c.invoice_id == invoices.c.id)
    .where(payment_attempts.c.id == any_(_IDS))
)


class _Locks:
    """Locks subscriptions in the order of their ids, so that no two transactions deadlock.

    They are locked by a statement of their own: what one statement joins to a row it had to wait for would be as old
    as the statement, not as the lock.
    """

    def __init__(self, own: Any, *also: Any) -> None:
        found = select(subscriptions).where(own, *also).order_by(subscriptions.c.id)
        self.waiting = found.with_for_update()
        self.skipping = found.with_for_update(skip_locked=True)


# A lock that all first acts share: its exclusive holder knows that every first act has ended.
_BEGINS = select(func.pg_advisory_xact_lock_shared(AdvisoryLock.CHARGING.value)).scalar_subquery().is_not(None)
_LOCK_TO_RENEW = _Locks(subscriptions.c.id == any_(_IDS), _BEGINS)
_LOCK_TO_COLLECT = _Locks(subscriptions.c.id.in_(_OF_INVOICES), _BEGINS)
_LOCK_BY_ATTEMPTS = _Locks(subscriptions.c.id.in_(_OF_ATTEMPTS))
_LOCK_BY_INVOICES = _Locks(subscriptions.c.id.in_(_OF_INVOICES))

_OPEN_ATTEMPT = (
    exists()
    .where((payment_attempts.c.invoice_id == invoices.c.id) & payment_attempts.c.closed_at.is_(None))
    .label("open")
)
_earlier = invoices.alias("earlier")


def _last_paid(owner: Any, currency: Any, within: Any) -> Any:
    return (
        select(_earlier.c.amount)
        .where(_earlier.c.subscription_id == owner)
        .where((_earlier.c.status == InvoiceStatus.PAID) & (_earlier.c.currency == currency))
        .order_by(_earlier.c.period_index.desc())
        .limit(1)
        .scalar_subquery()
        .correlate(*within)
        .label("last_paid")
    )


_DUE = (
    select(
        *(invoices, billing_keys, plans, _OPEN_ATTEMPT),
        first_stop(invoices.c.subscription_id, billing_keys, invoices).label("stop"),
        ELSEWHERE.label("elsewhere"),
        _last_paid(invoices.c.subscription_id, invoices.c.currency, [invoices]),
    )
    .join(billing_keys, billing_keys.c.id == invoices.c.billing_key_id)
    .join(subscriptions, subscriptions.c.id == invoices.c.subscription_id)
    .join(plans, plans.c.id == subscriptions.c.plan_id)
    .where(invoices.c.id == any_(_IDS))
    .order_by(invoices.c.period_index, invoices.c.id)
)
_DUE_NAMES = [
    *([c.name for c in table.c] for table in (invoices, billing_keys, plans)),
    ["has_open_attempt", "stop", "elsewhere", "last_paid"],
]
_RENEWING = (
    select(
        *(subscriptions.c.id, billing_keys, plans),
        first_stop(subscriptions.c.id, billing_keys, subscriptions).label("stop"),
        ELSEWHERE.label("elsewhere"),
        _last_paid(subscriptions.c.id, plans.c.currency, [subscriptions, plans]),
    )
    .join(billing_keys, billing_keys.c.id == subscriptions.c.billing_key_id)
    .join(plans, plans.c.id == subscriptions.c.plan_id)
    .where(subscriptions.c.id == any_(_IDS))
    .order_by(subscriptions.c.id)
)
_RENEWING_NAMES = [
    ["id"],
    *([c.name for c in table.c] for table in (billing_keys, plans)),
    ["stop", "elsewhere", "last_paid"],
]

_EVIDENCE = select(evidence.c.source, evidence.c.request, evidence.c.http_status, evidence.c.body).where(
    evidence.c.id == bindparam("ident")
)
_KEEP = text("""
    INSERT INTO evidence (attempt_id, source, request, http_status, body, received_at)
    SELECT attempt_id, source, request, http_status, body, :real_now
    FROM json_populate_recordset(NULL::evidence, CAST(:rows AS json))
    RETURNING attempt_id, id
""")

_own_key = func.coalesce(payment_attempts.c.billing_key_id, invoices.c.billing_key_id)
# Invoices with their plans, and their attempts with their keys: one row an attempt, by number.
_LOCKED = (
    select(invoices, plans, billing_keys, payment_attempts)
    .join(subscriptions, subscriptions.c.id == invoices.c.subscription_id)
    .join(plans, plans.c.id == subscriptions.c.plan_id)
    .outerjoin(payment_attempts, payment_attempts.c.invoice_id == invoices.c.id)
    .join(billing_keys, billing_keys.c.id == _own_key)
    .order_by(invoices.c.id, payment_attempts.c.number)
)
_own = payment_attempts.alias("own")
_AT_ATTEMPTS = _LOCKED.where(invoices.c.id.in_(select(_own.c.invoice_id).where(_own.c.id == any_(_IDS))))
_AT_INVOICES = _LOCKED.where(invoices.c.id == any_(_IDS))
_LOCKED_NAMES = [[c.name for c in table.c] for table in (invoices, plans, billing_keys, payment_attempts)]


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

    def lock_renewals(self, subscription_ids: Sequence[str]) -> Sequence[DueSubscription]:
        """Subscriptions with what decides whether their next period is charged. Raises NotFound for a single one."""
        locked = self._lock(_LOCK_TO_RENEW, "subscription", subscription_ids)
        plans, keys = _Once(rows.to_plan), _Once(self.keys.adopt)
        found = []
        for row in self._connection.execute(_RENEWING, {"ids": list(locked)}):
            own, key, plan, facts = _cut(row, _RENEWING_NAMES)
            found.append(
                DueSubscription(subscription=locked[own["id"]], key=keys.made(key), plan=plans.made(plan), **facts)
            )
        return found

    def lock_due(self, invoice_ids: Sequence[str]) -> Sequence[DueInvoice]:
        """Invoices with what decides whether they are charged, the oldest period first. Raises NotFound for one."""
        locked = self._lock(_LOCK_TO_COLLECT, "invoice", invoice_ids)
        plans, keys = _Once(rows.to_plan), _Once(self.keys.adopt)
        found = []
        for row in self._connection.execute(_DUE, {"ids": list(invoice_ids)}):
            invoice, key, plan, facts = _cut(row, _DUE_NAMES)
            subscription = locked.get(invoice["subscription_id"])
            if subscription is not None:
                found.append(
                    DueInvoice(
                        subscription=subscription,
                        key=keys.made(key),
                        plan=plans.made(plan),
                        invoice=self.invoices.adopt(invoice),
                        **facts,
                    )
                )
        return found

    def lock_settlements(self, attempt_ids: Sequence[str]) -> Sequence[Settlement]:
        """Attempts with all records that their outcomes can change. Raises NotFound for a single one."""
        locked = self._lock(_LOCK_BY_ATTEMPTS, "attempt", attempt_ids)
        wanted = set(attempt_ids)
        return [
            invoice.about(attempt)
            for invoice in self._read_invoices(_AT_ATTEMPTS, locked, attempt_ids)
            for attempt in invoice.attempts
            if attempt.id in wanted
        ]

    def lock_settlement(self, attempt_id: str) -> Settlement:
        """An attempt with all records that its outcome can change, under the subscription's lock. Raises NotFound."""
        (settlement,) = self.lock_settlements([attempt_id])
        return settlement

    def lock_invoice(self, invoice_id: str) -> LockedInvoice:
        """An invoice with all records that an outcome can change, under the subscription's lock. Raises NotFound."""
        locked = self._lock(_LOCK_BY_INVOICES, "invoice", [invoice_id])
        (invoice,) = self._read_invoices(_AT_INVOICES, locked, [invoice_id])
        return invoice

    def _read_invoices(
        self, statement: Any, locked: Mapping[str, Subscription], ids: Sequence[str]
    ) -> Sequence[LockedInvoice]:
        plans, keys = _Once(rows.to_plan), _Once(self.keys.adopt)
        found: dict[str, LockedInvoice] = {}
        for row in self._connection.execute(statement, {"ids": list(ids)}):
            invoice, plan, key, attempt = _cut(row, _LOCKED_NAMES)
            subscription = locked.get(invoice["subscription_id"])
            if subscription is None:
                continue
            one = found.get(invoice["id"])
            if one is None:
                one = found[invoice["id"]] = LockedInvoice(
                    subscription=subscription,
                    invoice=self.invoices.adopt(invoice),
                    plan=plans.made(plan),
                    keys={},
                    attempts=[],
                )
            one.keys[key["id"]] = keys.made(key)
            if attempt["id"] is not None:
                one.attempts.append(self.attempts.adopt(attempt))
        return list(found.values())

    def keep_evidence(self, attempt_id: str | None, evidence_: Evidence, real_now: datetime) -> int:
        """Store the gateway's answer. Returns the evidence's id."""
        return self.keep_all_evidence([(attempt_id, evidence_)], real_now)[attempt_id]

    def keep_all_evidence(
        self, kept: Sequence[tuple[str | None, Evidence]], real_now: datetime
    ) -> Mapping[str | None, int]:
        """Store the gateway's answer about each of these attempts. Returns the evidence's ids by attempt."""
        if not kept:
            return {}
        values: list[Values] = [
            {"attempt_id": attempt_id, "source": each.source, "request": each.request}
            | {"http_status": each.http_status, "body": each.body}
            for attempt_id, each in kept
        ]
        wanted = {"rows": json.dumps(values, ensure_ascii=False), "real_now": real_now}
        return {row.attempt_id: row.id for row in self._connection.execute(_KEEP, wanted)}

    def evidence(self, evidence_id: int) -> Evidence:
        """The gateway's answer as stored. Raises NotFound."""
        row = self._connection.execute(_EVIDENCE, {"ident": evidence_id}).mappings().one_or_none()
        if row is None:
            raise NotFound("evidence", str(evidence_id))
        return Evidence(**row)

    def _lock(self, locks: _Locks, kind: str, ids: Sequence[str]) -> Mapping[str, Subscription]:
        """The subscriptions behind these ids, by their own. One is waited for; of several, those that are free."""
        statement = locks.waiting if len(ids) == 1 else locks.skipping
        found = [dict(row) for row in self._connection.execute(statement, {"ids": list(ids)}).mappings()]
        if not found and len(ids) == 1:
            raise NotFound(kind, ids[0])
        return {row["id"]: self.subscriptions.adopt(row) for row in found}


class _Once(Generic[T]):
    """Makes one object for all rows with the same id: two objects could undo each other's changes."""

    def __init__(self, make: Callable[[Values], T]) -> None:
        self._make = make
        self._made: dict[str, T] = {}

    def made(self, row: Values) -> T:
        """The object of this row."""
        ident = row["id"]
        if ident not in self._made:
            self._made[ident] = self._make(row)
        return self._made[ident]


def _cut(row: Sequence[Any], names: Sequence[Sequence[str]]) -> list[Values]:
    """A joined row cut into one dictionary a table."""
    parts, start = [], 0
    for columns in names:
        parts.append(dict(zip(columns, row[start : start + len(columns)], strict=True)))
        start += len(columns)
    return parts
