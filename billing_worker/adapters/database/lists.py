"""Every list in PostgreSQL: its table, its order, and its filters.

A part of a list is read in its order (`created_at` and `id`, or a running number), starting after the last row of the
previous part. Rows added meanwhile never shift a part, and no part reads skipped rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, true

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.expiring import expiring
from billing_worker.adapters.database.list_filters import (
    Filter,
    List,
    amounts,
    equal,
    in_normal_form,
    is_open,
    since,
    through,
)
from billing_worker.adapters.database.list_of_traffic import TRAFFIC
from billing_worker.adapters.database.list_of_waiting import BEGUN, WAITING
from billing_worker.adapters.database.list_positions import as_text, bound
from billing_worker.adapters.database.tables.access import actions
from billing_worker.adapters.database.tables.billing import (
    billing_keys,
    invoices,
    merchant_uids,
    plans,
    schedules,
    subscriptions,
)
from billing_worker.adapters.database.tables.control import stops
from billing_worker.adapters.database.tables.dunning import dunning_policies
from billing_worker.adapters.database.tables.fallbacks import fallback_keys
from billing_worker.adapters.database.tables.payments import payment_attempts, refunds
from billing_worker.adapters.database.tables.review import alerts
from billing_worker.adapters.database.tables.shadow import shadow_charges
from billing_worker.domain.shadow import DIFFERENCES
from billing_worker.domain.text import normal_form, spellings
from billing_worker.ports.lists import Kind, Part, Position

_BY_TIME = ("created_at", "id")
_S, _I, _K, _A, _R, _F = subscriptions.c, invoices.c, billing_keys.c, payment_attempts.c, refunds.c, fallback_keys.c


def _spelled(customer: str) -> Any:
    """Subscriptions of a customer, including those that an older release stored in another spelling."""
    return _S.customer.in_(spellings(normal_form(customer)))


def _invoices_of(customer: str) -> Any:
    """The ids of a customer's invoices: two parts, each with an index."""
    of_periods = select(_I.id).join(subscriptions, _S.id == _I.subscription_id).where(_spelled(customer))
    return of_periods.union_all(select(_I.id).where(_I.customer.in_(spellings(normal_form(customer)))))


_INVOICES_OF: dict[str, Filter] = {
    "subscription_id": equal(_I.subscription_id),
    "customer": lambda value: _I.id.in_(_invoices_of(value)),
    "plan_id": through(_I.subscription_id, _S.id, _S.plan_id),
}


def _invoice_of(column: Any, name: str) -> Filter:
    return lambda value: column.in_(select(_I.id).where(_INVOICES_OF[name](value)))


def _keys_of(customer: str) -> Any:
    """The ids of the keys that a customer's subscriptions and single payments are charged to."""
    of_singles = select(_I.billing_key_id).where(_I.customer.in_(spellings(normal_form(customer))))
    spare = select(_F.billing_key_id).join(subscriptions, _S.id == _F.subscription_id).where(_F.ended_at.is_(None))
    return select(_S.billing_key_id).where(_spelled(customer)).union_all(of_singles, spare.where(_spelled(customer)))


def _attempt_of(name: str) -> Filter:
    return lambda value: _R.attempt_id.in_(select(_A.id).where(_invoice_of(_A.invoice_id, name)(value)))


_LISTS: Mapping[Kind, List] = {
    Kind.DUNNING_POLICIES: List(
        dunning_policies,
        rows.to_policy_version,
        _BY_TIME,
        {"name": equal(dunning_policies.c.name)} | since(dunning_policies.c.created_at, "created"),
    ),
    Kind.PLANS: List(
        plans,
        rows.to_plan,
        _BY_TIME,
        {"external_id": in_normal_form(plans.c.external_id), "currency": equal(plans.c.currency)}
        | amounts(plans.c.amount)
        | since(plans.c.created_at, "created"),
    ),
    Kind.BILLING_KEYS: List(
        billing_keys,
        rows.to_key,
        _BY_TIME,
        {
            "external_id": in_normal_form(_K.external_id),
            "customer_uid": equal(_K.customer_uid),
            "customer": lambda value: _K.id.in_(_keys_of(value)),
            "pg_provider": equal(_K.pg_provider),
            "status": equal(_K.status),
            "expiring_at": expiring,
        }
        | since(_K.created_at, "created"),
    ),
    Kind.SUBSCRIPTIONS: List(
        subscriptions,
        rows.to_subscription,
        _BY_TIME,
        {
            "external_id": in_normal_form(_S.external_id),
            "customer": _spelled,
            "plan_id": equal(_S.plan_id),
            "billing_key_id": equal(_S.billing_key_id),
            "status": equal(_S.status),
            "collection": equal(_S.collection),
        }
        | since(_S.created_at, "created")
        | since(_S.next_period_start, "next_period")
        | BEGUN,
    ),
    Kind.INVOICES: List(
        invoices,
        rows.to_invoice,
        _BY_TIME,
        _INVOICES_OF
        | {
            "billing_key_id": equal(_I.billing_key_id),
            "status": equal(_I.status),
            "currency": equal(_I.currency),
        }
        | amounts(_I.amount)
        | since(_I.created_at, "created")
        | since(_I.period_start, "period")
        | WAITING,
    ),
    Kind.PAYMENTS: List(
        invoices,
        rows.to_invoice,
        _BY_TIME,
        {
            "customer": lambda value: _I.customer.in_(spellings(normal_form(value))),
            "billing_key_id": equal(_I.billing_key_id),
            "order_id": through(_I.id, merchant_uids.c.invoice_id, merchant_uids.c.merchant_uid),
            "status": equal(_I.status),
            "currency": equal(_I.currency),
        }
        | amounts(_I.amount)
        | since(_I.created_at, "created")
        | since(_I.period_start, "at"),
        _I.subscription_id.is_(None),
    ),
    Kind.ATTEMPTS: List(
        payment_attempts,
        rows.to_attempt,
        ("started_at", "id"),
        {
            "invoice_id": equal(_A.invoice_id),
            "subscription_id": _invoice_of(_A.invoice_id, "subscription_id"),
            "customer": _invoice_of(_A.invoice_id, "customer"),
            "billing_key_id": equal(_A.billing_key_id),
            "status": equal(_A.status),
            "imp_uid": equal(_A.imp_uid),
        }
        | since(_A.started_at, "started"),
    ),
    Kind.SCHEDULES: List(
        schedules,
        rows.to_schedule,
        ("schedule_at", "id"),
        {
            "subscription_id": equal(schedules.c.subscription_id),
            "billing_key_id": equal(schedules.c.billing_key_id),
            "merchant_uid": equal(schedules.c.merchant_uid),
            "status": equal(schedules.c.status),
            "open": is_open(schedules.c.closed_at),
        }
        | since(schedules.c.schedule_at, "schedule"),
    ),
    Kind.SHADOW: List(
        shadow_charges,
        rows.to_shadow_charge,
        ("at", "id"),
        {
            "subscription_id": equal(shadow_charges.c.subscription_id),
            "result": equal(shadow_charges.c.result),
            "differs": lambda wanted: shadow_charges.c.result.in_(sorted(DIFFERENCES)) if wanted else true(),
        }
        | since(shadow_charges.c.at, "at"),
    ),
    Kind.REFUNDS: List(
        refunds,
        rows.to_refund,
        _BY_TIME,
        {
            "invoice_id": through(_R.attempt_id, _A.id, _A.invoice_id),
            "subscription_id": _attempt_of("subscription_id"),
            "customer": _attempt_of("customer"),
            "status": equal(_R.status),
            "cause": equal(_R.cause),
        }
        | amounts(_R.amount)
        | since(_R.created_at, "created"),
    ),
    Kind.STOPS: List(
        stops,
        rows.to_stop,
        ("id",),
        {"scope": equal(stops.c.scope), "cause": equal(stops.c.cause), "open": is_open(stops.c.closed_at)}
        | since(stops.c.opened_at, "opened"),
    ),
    Kind.ALERTS: List(
        alerts,
        rows.to_alert,
        ("id",),
        {
            "kind": equal(alerts.c.kind),
            "subject_id": equal(alerts.c.subject_id),
            "open": is_open(alerts.c.closed_at),
        }
        | since(alerts.c.opened_at, "opened"),
    ),
    Kind.ACTIONS: List(
        actions,
        rows.to_action,
        ("id",),
        {"subject_id": equal(actions.c.subject_id), "actor": equal(actions.c.actor), "verb": equal(actions.c.verb)}
        | since(actions.c.at, "acted"),
    ),
    **TRAFFIC,
}


class SqlLists:
    """Every list, newest first."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def part(self, kind: Kind, wanted: Mapping[str, object], limit: int, after: Position | None) -> Part:
        """At most `limit` entities that match all of `wanted`, starting after `after`.

        Raises InvalidInput (`cursor`).
        """
        listed = _LISTS[kind]
        columns = [listed.table.c[name] for name in listed.order]
        statement = select(listed.table).where(*(listed.filters[name](value) for name, value in wanted.items()))
        if listed.only is not None:
            statement = statement.where(listed.only)
        if after is not None:
            statement = statement.where(func.row(*columns) < func.row(*bound(columns, after)))
        statement = statement.order_by(*(column.desc() for column in columns)).limit(limit + 1)
        found = [dict(row) for row in self._connection.execute(statement).mappings()]
        more = len(found) > limit
        last = found[limit - 1] if more else None
        position = tuple(as_text(last[name]) for name in listed.order) if last is not None else None
        return Part([listed.hydrate(row) for row in found[:limit]], position)

    def filters(self, kind: Kind) -> Sequence[str]:
        """The names that `wanted` may have."""
        return sorted(_LISTS[kind].filters)
