"""One database transaction, as the use cases see it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import structlog
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, Engine, bindparam, exists, func, insert, select
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.access import SqlActions, SqlTokens
from billing_worker.adapters.database.alerts import SqlAlerts
from billing_worker.adapters.database.audit import SqlAudits
from billing_worker.adapters.database.billing import (
    SqlAttempts,
    SqlBillingKeys,
    SqlInvoices,
    SqlPlans,
    SqlSubscriptions,
)
from billing_worker.adapters.database.books import SqlBooks
from billing_worker.adapters.database.catch_up import SqlCatchUp
from billing_worker.adapters.database.comparisons import SqlComparisons
from billing_worker.adapters.database.doubts import SqlDoubts
from billing_worker.adapters.database.inbox import SqlInbox
from billing_worker.adapters.database.lists import SqlLists
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.outbox import SqlEndpoints, SqlOutbox
from billing_worker.adapters.database.pingbacks import SqlPingbacks
from billing_worker.adapters.database.refunds import SqlRefunds
from billing_worker.adapters.database.requests import SqlKeptAnswers
from billing_worker.adapters.database.stops import (
    ELSEWHERE,
    ON_INVOICE,
    SqlEnvironment,
    SqlSpending,
    SqlStops,
)
from billing_worker.adapters.database.tables import (
    billing_keys,
    evidence,
    invoices,
    payment_attempts,
    plans,
    subscriptions,
)
from billing_worker.domain.errors import Busy, NotFound, Unavailable
from billing_worker.domain.events import Event
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.payment import Evidence
from billing_worker.domain.settlement import Settlement
from billing_worker.ports import DueInvoice, Ids

HELD = (LockNotAvailable, DeadlockDetected)
"""Somebody else had the row for too long, or waited for one of ours: the server undid the whole transaction."""

_log = structlog.get_logger("billing")
_LOGGED = frozenset(
    {"subscription_id", "invoice_id", "merchant_uid", "imp_uid", "amount", "currency", "reason", "next_attempt_at"}
    | {"skipped_periods", "count", "first", "last", "pg_provider", "refunded"}
)
"""What of an event is logged: enough to find it, and nothing by which a customer is known."""

_OF_INVOICE = select(invoices.c.subscription_id).where(invoices.c.id == bindparam("ident")).scalar_subquery()
_OF_ATTEMPT = (
    select(invoices.c.subscription_id)
    .join(payment_attempts, payment_attempts.c.invoice_id == invoices.c.id)
    .where(payment_attempts.c.id == bindparam("ident"))
    .scalar_subquery()
)


def _locking(own: Any) -> Any:
    return select(subscriptions).where(subscriptions.c.id == own).with_for_update()


# The subscription is locked by a statement of its own: what one statement joins to a row it had to wait for would
# be as old as the statement, not as the lock.
# Beside it a lock that all first acts share: whoever waits for it alone knows when those that had begun have ended.
_LOCK_BY_INVOICE = _locking(_OF_INVOICE).where(
    func.pg_advisory_xact_lock_shared(AdvisoryLock.CHARGING.value).is_not(None)
)
_LOCK_BY_ATTEMPT = _locking(_OF_ATTEMPT)

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
_CHARGE = (
    select(payment_attempts, invoices, billing_keys, plans)
    .join(invoices, invoices.c.id == payment_attempts.c.invoice_id)
    .join(billing_keys, billing_keys.c.id == payment_attempts.c.billing_key_id)
    .join(subscriptions, subscriptions.c.id == invoices.c.subscription_id)
    .join(plans, plans.c.id == subscriptions.c.plan_id)
    .where(payment_attempts.c.id == bindparam("ident"))
)
_CHARGE_NAMES = [[c.name for c in table.c] for table in (payment_attempts, invoices, billing_keys, plans)]


class SqlUnitOfWork:
    """The repositories of one transaction. Nothing is kept unless `commit` returned."""

    def __init__(
        self, connection: Connection, ids: Ids, within: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._within = within
        self._connection = connection
        self._ids = ids
        self._told: list[Event] = []
        self.plans = SqlPlans(connection)
        self.keys = SqlBillingKeys(connection)
        self.subscriptions = SqlSubscriptions(connection)
        self.invoices = SqlInvoices(connection)
        self.attempts = SqlAttempts(connection)
        self.refunds = SqlRefunds(connection)
        self.inbox = SqlInbox(connection)
        self.outbox = SqlOutbox(connection)
        self.endpoints = SqlEndpoints(connection)
        self.alerts = SqlAlerts(connection)
        self.comparisons = SqlComparisons(connection)
        self.doubts = SqlDoubts(connection)
        self.books = SqlBooks(connection)
        self.catch_up = SqlCatchUp(connection)
        self.stops = SqlStops(connection)
        self.environment = SqlEnvironment(connection)
        self.audits = SqlAudits(connection)
        self.spending = SqlSpending(connection)
        self.pingbacks = SqlPingbacks(connection)
        self.tokens = SqlTokens(connection)
        self.actions = SqlActions(connection)
        self.kept_answers = SqlKeptAnswers(connection)
        self.lists = SqlLists(connection)

    def lock_due(self, invoice_id: str) -> DueInvoice:
        """An invoice with its subscription (locked), key and plan. Raises NotFound."""
        subscription = self._lock(_LOCK_BY_INVOICE, "invoice", invoice_id)
        row = self._connection.execute(_DUE, {"ident": invoice_id}).one()
        invoice, key, plan, facts = rows.split(row, _DUE_NAMES)
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
        """An attempt with all that its outcome can touch, under the subscription's lock. Raises NotFound."""
        subscription = self._lock(_LOCK_BY_ATTEMPT, "attempt", attempt_id)
        row = self._connection.execute(_CHARGE, {"ident": attempt_id}).one()
        attempt, invoice, key, plan_row = rows.split(row, _CHARGE_NAMES)
        plan = rows.to_plan(plan_row)
        return Settlement(
            subscription=self.subscriptions.adopt(subscription),
            invoice=self.invoices.adopt(invoice),
            attempt=self.attempts.adopt(attempt),
            key=self.keys.adopt(key),
            policy=plan.dunning,
            calendar=plan.calendar,
            plan_name=plan.name,
        )

    def save_settlement(self, settlement: Settlement, now: datetime, real_now: datetime) -> None:
        """Write back everything an outcome can touch, and its events to the outbox."""
        self.invoices.save(settlement.invoice)
        self.attempts.save(settlement.attempt)
        self.subscriptions.save(settlement.subscription)
        self.keys.save(settlement.key)
        self.announce(settlement.events, now, real_now)
        settlement.events.clear()

    def announce(self, events: Sequence[Event], now: datetime, real_now: datetime) -> None:
        """Write events to the outbox."""
        if events:
            ordered = sorted(events, key=lambda event: event.stream_id)
            self.outbox.add_all([(self._ids.new("evt"), event) for event in ordered], now, real_now)
            self._told.extend(events)

    def keep_evidence(self, attempt_id: str | None, evidence_: Evidence, real_now: datetime) -> int:
        """Store what the gateway said. Returns the evidence's id."""
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
        """What the gateway said, as it was kept. Raises NotFound."""
        row = self._connection.execute(_EVIDENCE, {"ident": evidence_id}).mappings().one_or_none()
        if row is None:
            raise NotFound("evidence", str(evidence_id))
        return Evidence(**row)

    @contextmanager
    def savepoint(self) -> Iterator["SqlUnitOfWork"]:
        """A part of this transaction that is undone alone, unless its own `commit` returned."""
        with translated(), self._within(), _Part(self._connection, self._ids, self._told, self._within) as part:
            yield part

    def commit(self) -> None:
        """Make it all durable, then log what happened: one line an event."""
        self._connection.commit()
        for event in self._told:
            data = {name: value for name, value in event.data.items() if name in _LOGGED}
            _log.info(event.type.value, subject=event.subject_id, **data)
        self._told.clear()

    def _lock(self, statement: Any, kind: str, ident: str) -> rows.Values:
        row = self._connection.execute(statement, {"ident": ident}).mappings().one_or_none()
        if row is None:
            raise NotFound(kind, ident)
        return dict(row)


class _Part(SqlUnitOfWork):
    """A part of a transaction, between a savepoint and its release."""

    def __init__(
        self,
        connection: Connection,
        ids: Ids,
        told: list[Event],
        within: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__(connection, ids, within)
        self._whole = told
        self._savepoint = connection.begin_nested()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._savepoint.is_active:
            self._savepoint.rollback()

    def commit(self) -> None:
        """Make it a part of the whole, which alone makes it durable."""
        self._savepoint.commit()
        self._whole.extend(self._told)
        self._told.clear()


@contextmanager
def translated() -> Iterator[None]:
    """Raise the errors of this package instead of the driver's: Busy where nothing was done, Unavailable."""
    try:
        yield
    except PoolTimeoutError as error:
        raise Unavailable("the database is busy: no connection became free in time") from error
    except (OperationalError, DBAPIError) as error:
        if isinstance(error.orig, HELD):
            raise Busy(f"the database is busy: {first_line(error)}") from error
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise Unavailable(f"the database does not answer: {first_line(error)}") from error
        raise


@dataclass(frozen=True, slots=True)
class SqlDatabase:
    """The database behind the port."""

    engine: Engine
    ids: Ids
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered before a connection is taken, left after it was given back."""
    within: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered for a part of a transaction, by the thread that works on it; the whole may belong to another one."""

    @contextmanager
    def transaction(self) -> Iterator[SqlUnitOfWork]:
        """Begin a transaction; roll back unless it was committed.

        Raises Unavailable where the database does not answer or ended the session. After a lost commit nobody knows
        whether it was kept: callers must never read Unavailable as "not done", but for Busy, which says so.
        """
        with translated(), self.around(), self.engine.connect() as connection:
            yield SqlUnitOfWork(connection, self.ids, self.within)


def first_line(error: SQLAlchemyError) -> str:
    """The driver's own words, without SQL and parameters: those may hold a customer's data."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
