"""One row of customers into the database: the key and the subscription together, or neither.

A row is one transaction around the same use cases that the other commands call. So a row is never half there: a
refused subscription takes its key with it, and whatever ends the program between two rows, the same file can be run
again: rows that are in (a known customer_uid with a subscription on the plan, whatever became of it) are skipped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from billing_worker.cli.import_file import NEEDED, Row
from billing_worker.cli.parsing import moment
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.plan import Plan
from billing_worker.ports import Ports, UnitOfWork
from billing_worker.usecases.subscribe import register_key, subscribe

"""As a limit: every row there is."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a row that was not refused."""

    imported: bool
    billing_key_id: str | None = None
    subscription_id: str | None = None


class Importer:
    """Takes rows, one at a time."""

    def __init__(self, ports: Ports, *, dry_run: bool) -> None:
        self._ports = ports
        self._dry_run = dry_run
        with ports.database.transaction() as uow:
            self._plans = {plan.id: plan for plan in uow.plans.all()}
        self._tried: dict[str, tuple[str, set[str]]] = {}
        """What a dry run would have written: by customer_uid the key's PG, and the plans."""

    def take(self, row: Row) -> Done:
        """Import one row. Raises InvalidInput or Conflict where it is refused; then nothing of it is stored."""
        if row.problem is not None:
            raise row.problem
        customer_uid, pg_provider, plan_id, customer = (_needed(row, name) for name in NEEDED)
        self._plan(plan_id)
        start = moment("start", row.values.get("start"))
        with self._ports.database.transaction() as uow:
            ports = joined(self._ports, uow)
            key = self._known(uow, customer_uid, pg_provider)
            on_plan = key is not None and any(each.plan_id == plan_id for each in uow.subscriptions.of_key(key.id))
            tried_pg, tried_plans = self._tried.get(customer_uid, (pg_provider, set()))
            _refuse_another_pg(tried_pg, pg_provider)
            if on_plan or plan_id in tried_plans:
                return Done(imported=False)
            if key is None:
                buyer: dict[str, Any] = {
                    name: row.values.get(name) for name in ("buyer_name", "buyer_email", "buyer_tel")
                }
                key = register_key(ports, customer_uid, pg_provider, **buyer)
            made = subscribe(ports, plan_id, key.id, customer, start=start)
            if self._dry_run:
                self._tried[customer_uid] = pg_provider, tried_plans | {plan_id}
                return Done(imported=True)
            uow.commit()
        return Done(imported=True, billing_key_id=key.id, subscription_id=made.id)

    def _plan(self, plan_id: str) -> Plan:
        plan = self._plans.get(plan_id)
        if plan is None:
            raise InvalidInput("plan_id", plan_id, "there is no such plan; see: billing-worker plan list")
        return plan

    def _known(self, uow: UnitOfWork, customer_uid: str, pg_provider: str) -> BillingKey | None:
        key = uow.keys.with_customer_uid(customer_uid)
        if key is not None:
            # The same file may be imported twice at once: whoever comes second waits here, and then sees the first.
            key = uow.keys.lock(key.id)
        if key is not None:
            _refuse_another_pg(key.pg_provider, pg_provider)
        return key


def _refuse_another_pg(registered: str, pg_provider: str) -> None:
    if registered != pg_provider:
        raise Conflict(f"pg_provider: this customer_uid is registered with {registered}", field="pg_provider")


def _needed(row: Row, name: str) -> str:
    value = row.values.get(name)
    if value is None:
        raise InvalidInput(name, None, "is needed")
    return value


class _Part:
    """A unit of work inside a larger one: it is committed with it."""

    def __init__(self, whole: UnitOfWork) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def commit(self) -> None:
        """Later, with the whole."""


@dataclass(frozen=True, slots=True)
class _Joined:
    """A database whose every transaction is part of the one that is open."""

    whole: UnitOfWork

    @contextmanager
    def transaction(self) -> Iterator[UnitOfWork]:
        """Join it."""
        yield cast("UnitOfWork", _Part(self.whole))


def joined(ports: Ports, whole: UnitOfWork) -> Ports:
    """Ports with which several use cases work in one transaction."""
    return replace(ports, database=_Joined(whole))
