"""The records of one charge in PostgreSQL: locked together, read together, written back together."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.attempts import SqlAttempts
from billing_worker.adapters.database.charging_statements import (
    AT_ATTEMPTS,
    AT_INVOICES,
    DUE,
    DUE_NAMES,
    EVIDENCE,
    KEEP,
    LOCK_BY_ATTEMPTS,
    LOCK_BY_INVOICES,
    LOCK_TO_COLLECT,
    LOCK_TO_RENEW,
    LOCKED_NAMES,
    RENEWING,
    RENEWING_NAMES,
    Locks,
)
from billing_worker.adapters.database.invoices import SqlInvoices
from billing_worker.adapters.database.keys import SqlBillingKeys
from billing_worker.adapters.database.plans import SqlPlans
from billing_worker.adapters.database.policies import policy_in
from billing_worker.adapters.database.repository import Values
from billing_worker.adapters.database.spending import SqlSpending
from billing_worker.adapters.database.subscriptions import SqlSubscriptions
from billing_worker.domain.errors import NotFound
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.payment import Evidence
from billing_worker.domain.settlement import LockedInvoice, Settlement
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.charging import DueInvoice, DueSubscription

T = TypeVar("T")


class SqlChargingRecords:
    """The records of billing and charging in a transaction. Each repository is made at first use."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @cached_property
    def spending(self) -> SqlSpending:
        """Recent charges."""
        return SqlSpending(self._connection)

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
        locked = self._lock(LOCK_TO_RENEW, "subscription", subscription_ids).subscriptions
        plans, keys = _Once(rows.to_plan), _Once(self.keys.adopt)
        found = []
        for row in self._connection.execute(RENEWING, {"ids": list(locked)}):
            own, key, plan, facts = _cut(row, RENEWING_NAMES)
            facts["policy"] = policy_in(facts["policy"])
            found.append(
                DueSubscription(subscription=locked[own["id"]], key=keys.made(key), plan=plans.made(plan), **facts)
            )
        return found

    def lock_due(self, invoice_ids: Sequence[str]) -> Sequence[DueInvoice]:
        """Invoices with what decides whether they are charged, the oldest period first. Raises NotFound for one."""
        locked = self._lock(LOCK_TO_COLLECT, "invoice", invoice_ids)
        plans, keys = _Once(rows.to_plan), _Once(self.keys.adopt)
        found = []
        for row in self._connection.execute(DUE, {"ids": list(invoice_ids)}):
            own, key, plan, facts = _cut(row, DUE_NAMES)
            if own not in locked:
                continue
            invoice = self.invoices.adopt(own)
            facts["policy"] = policy_in(facts["policy"])
            found.append(
                DueInvoice(
                    subscription=locked.subscription_of(invoice),
                    key=keys.made(key),
                    agreed=invoice.single or plans.made(plan),
                    invoice=invoice,
                    **facts,
                )
            )
        return found

    def lock_settlements(self, attempt_ids: Sequence[str]) -> Sequence[Settlement]:
        """Attempts with all records that their outcomes can change. Raises NotFound for a single one."""
        locked = self._lock(LOCK_BY_ATTEMPTS, "attempt", attempt_ids)
        wanted = set(attempt_ids)
        return [
            invoice.about(attempt)
            for invoice in self._read_invoices(AT_ATTEMPTS, locked, attempt_ids)
            for attempt in invoice.attempts
            if attempt.id in wanted
        ]

    def lock_settlement(self, attempt_id: str) -> Settlement:
        """An attempt with all records that its outcome can change, under the subscription's lock. Raises NotFound."""
        (settlement,) = self.lock_settlements([attempt_id])
        return settlement

    def lock_invoice(self, invoice_id: str) -> LockedInvoice:
        """An invoice with all records that an outcome can change, under the subscription's lock. Raises NotFound."""
        locked = self._lock(LOCK_BY_INVOICES, "invoice", [invoice_id])
        (invoice,) = self._read_invoices(AT_INVOICES, locked, [invoice_id])
        return invoice

    def _read_invoices(self, statement: Any, locked: "_Locked", ids: Sequence[str]) -> Sequence[LockedInvoice]:
        plans, keys = _Once(rows.to_plan), _Once(self.keys.adopt)
        found: dict[str, LockedInvoice] = {}
        for row in self._connection.execute(statement, {"ids": list(ids)}):
            own, plan, key, attempt, more = _cut(row, LOCKED_NAMES)
            if own not in locked:
                continue
            one = found.get(own["id"])
            if one is None:
                invoice = self.invoices.adopt(own)
                agreed = invoice.single or plans.made(plan)
                one = found[invoice.id] = LockedInvoice(
                    subscription=locked.subscription_of(invoice),
                    invoice=invoice,
                    agreed=agreed,
                    policy=policy_in(more["policy"]),
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
        return {row.attempt_id: row.id for row in self._connection.execute(KEEP, wanted)}

    def evidence(self, evidence_id: int) -> Evidence:
        """The gateway's answer as stored. Raises NotFound."""
        row = self._connection.execute(EVIDENCE, {"ident": evidence_id}).mappings().one_or_none()
        if row is None:
            raise NotFound("evidence", str(evidence_id))
        return Evidence(**row)

    def _lock(self, locks: Locks, kind: str, ids: Sequence[str]) -> "_Locked":
        """What is locked for these ids. One is waited for; of several, those that are free."""
        wanted, waits = {"ids": list(ids)}, len(ids) == 1
        found = self._connection.execute(locks.waiting if waits else locks.skipping, wanted).mappings()
        of_periods = {row["id"]: self.subscriptions.adopt(dict(row)) for row in found}
        singles: frozenset[str] = frozenset()
        if locks.of_singles and not (waits and of_periods):
            statement = locks.waiting_singles if waits else locks.skipping_singles
            singles = frozenset(self._connection.execute(statement, wanted).scalars())
        if waits and not of_periods and not singles:
            raise NotFound(kind, ids[0])
        return _Locked(of_periods, singles)


@dataclass(frozen=True, slots=True)
class _Locked:
    """The rows that this transaction holds."""

    subscriptions: Mapping[str, Subscription]
    singles: frozenset[str]
    """The ids of single payments."""

    def __contains__(self, invoice: Values) -> bool:
        return invoice["subscription_id"] in self.subscriptions or invoice["id"] in self.singles

    def subscription_of(self, invoice: Invoice) -> Subscription | None:
        """Its subscription; None for a single payment."""
        return None if invoice.subscription_id is None else self.subscriptions[invoice.subscription_id]


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
