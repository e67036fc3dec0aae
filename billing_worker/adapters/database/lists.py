"""Every list in PostgreSQL: its table, its order, and its filters.

A part of a list is read in its order (`created_at` and `id`, or a running number), starting after the last row of the
previous part. Rows added meanwhile never shift a part, and no part reads skipped rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Table, func, literal, select

from billing_worker.adapters.database import repository, rows
from billing_worker.adapters.database.inbox import is_stuck
from billing_worker.adapters.database.tables.access import actions
from billing_worker.adapters.database.tables.billing import billing_keys, invoices, plans, subscriptions
from billing_worker.adapters.database.tables.control import stops
from billing_worker.adapters.database.tables.incoming import inbox
from billing_worker.adapters.database.tables.outgoing import outbox
from billing_worker.adapters.database.tables.payments import payment_attempts, refunds
from billing_worker.adapters.database.tables.review import alerts
from billing_worker.adapters.database.tables.schema import UtcDateTime
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.text import normal_form, spellings
from billing_worker.ports.lists import Kind, Part, Position

LARGEST = 2**63 - 1
"""The largest running number in PostgreSQL."""

Filter = Callable[[Any], Any]
"""The condition for a value."""


def _equal(column: Any) -> Filter:
    return lambda value: column == value


def _in_normal_form(column: Any) -> Filter:
    """Rows with this text in its normal form: a query may use the original spelling."""
    return lambda value: column == normal_form(value)


def _from(column: Any) -> Filter:
    return lambda value: column >= value


def _before(column: Any) -> Filter:
    return lambda value: column < value


def _through(column: Any, target: Any, own: Any) -> Filter:
    """Rows whose `column` is the `target` of a row with this value in `own`."""
    return lambda value: column.in_(select(target).where(own == value))


def _open(column: Any) -> Filter:
    return lambda wanted: column.is_(None) if wanted else column.is_not(None)


def _since(column: Any, name: str) -> dict[str, Filter]:
    return {f"{name}_after": _from(column), f"{name}_before": _before(column)}


def _amounts(column: Any) -> dict[str, Filter]:
    return {"amount_min": _from(column), "amount_max": lambda value: column <= value}


def _undelivered(wanted: bool) -> Any:  # noqa: FBT001 - one value, as every filter takes
    failed = outbox.c.delivered_at.is_(None) & ((outbox.c.tries > 0) | outbox.c.abandoned_at.is_not(None))
    return failed if wanted else ~failed


def _kind_of_status(value: str) -> Any:
    return {
        "waiting": outbox.c.delivered_at.is_(None) & outbox.c.abandoned_at.is_(None),
        "delivered": outbox.c.delivered_at.is_not(None),
        "given_up": outbox.c.abandoned_at.is_not(None),
    }[value]


def _stuck(real_now: Any) -> Any:
    return is_stuck(real_now)


@dataclass(frozen=True, slots=True)
class _List:
    """One kind of list: its table, the reader of its rows, its order, and its filters by name."""

    table: Table
    hydrate: Callable[[repository.Values], Any]
    order: tuple[str, ...]
    filters: Mapping[str, Filter]


_BY_TIME = ("created_at", "id")
_S, _I, _K, _A, _R = subscriptions.c, invoices.c, billing_keys.c, payment_attempts.c, refunds.c


def _spelled(customer: str) -> Any:
    """Subscriptions of a customer, including those that an older release stored in another spelling."""
    return _S.customer.in_(spellings(normal_form(customer)))


_INVOICES_OF: dict[str, Filter] = {
    "subscription_id": _equal(_I.subscription_id),
    "customer": lambda value: _I.subscription_id.in_(select(_S.id).where(_spelled(value))),
    "plan_id": _through(_I.subscription_id, _S.id, _S.plan_id),
}


def _invoice_of(column: Any, name: str) -> Filter:
    return lambda value: column.in_(select(_I.id).where(_INVOICES_OF[name](value)))


def _attempt_of(name: str) -> Filter:
    return lambda value: _R.attempt_id.in_(select(_A.id).where(_invoice_of(_A.invoice_id, name)(value)))


def _about(ident: str) -> Any:
    """Events about one thing: they are in the stream of its subscription, or else in one of its own."""
    of_invoice = select(_I.subscription_id).where(_I.id == ident).scalar_subquery()
    paid = _A.id == select(_R.attempt_id).where(_R.id == ident).scalar_subquery()
    of_refund = select(_I.subscription_id).join(payment_attempts, _A.invoice_id == _I.id).where(paid).scalar_subquery()
    return (outbox.c.stream_id == func.coalesce(of_invoice, of_refund, ident)) & (outbox.c.subject_id == ident)


_EVENTS: dict[str, Filter] = {"status": _kind_of_status, "failed": _undelivered}
_STUCK: dict[str, Filter] = {"stuck_at": _stuck}

_LISTS: Mapping[Kind, _List] = {
    Kind.PLANS: _List(
        plans,
        rows.to_plan,
        _BY_TIME,
        {"external_id": _in_normal_form(plans.c.external_id), "currency": _equal(plans.c.currency)}
        | _amounts(plans.c.amount)
        | _since(plans.c.created_at, "created"),
    ),
    Kind.BILLING_KEYS: _List(
        billing_keys,
        rows.to_key,
        _BY_TIME,
        {
            "external_id": _in_normal_form(_K.external_id),
            "customer_uid": _equal(_K.customer_uid),
            "customer": lambda value: _K.id.in_(select(_S.billing_key_id).where(_spelled(value))),
            "pg_provider": _equal(_K.pg_provider),
            "status": _equal(_K.status),
        }
        | _since(_K.created_at, "created"),
    ),
    Kind.SUBSCRIPTIONS: _List(
        subscriptions,
        rows.to_subscription,
        _BY_TIME,
        {
            "external_id": _in_normal_form(_S.external_id),
            "customer": _spelled,
            "plan_id": _equal(_S.plan_id),
            "billing_key_id": _equal(_S.billing_key_id),
            "status": _equal(_S.status),
        }
        | _since(_S.created_at, "created")
        | _since(_S.next_period_start, "next_period"),
    ),
    Kind.INVOICES: _List(
        invoices,
        rows.to_invoice,
        _BY_TIME,
        _INVOICES_OF
        | {
            "billing_key_id": _equal(_I.billing_key_id),
            "status": _equal(_I.status),
            "currency": _equal(_I.currency),
        }
        | _amounts(_I.amount)
        | _since(_I.created_at, "created")
        | _since(_I.period_start, "period"),
    ),
    Kind.ATTEMPTS: _List(
        payment_attempts,
        rows.to_attempt,
        ("started_at", "id"),
        {
            "invoice_id": _equal(_A.invoice_id),
            "subscription_id": _invoice_of(_A.invoice_id, "subscription_id"),
            "customer": _invoice_of(_A.invoice_id, "customer"),
            "billing_key_id": _equal(_A.billing_key_id),
            "status": _equal(_A.status),
            "imp_uid": _equal(_A.imp_uid),
        }
        | _since(_A.started_at, "started"),
    ),
    Kind.REFUNDS: _List(
        refunds,
        rows.to_refund,
        _BY_TIME,
        {
            "invoice_id": _through(_R.attempt_id, _A.id, _A.invoice_id),
            "subscription_id": _attempt_of("subscription_id"),
            "customer": _attempt_of("customer"),
            "status": _equal(_R.status),
            "cause": _equal(_R.cause),
        }
        | _amounts(_R.amount)
        | _since(_R.created_at, "created"),
    ),
    Kind.STOPS: _List(
        stops,
        rows.to_stop,
        ("id",),
        {"scope": _equal(stops.c.scope), "cause": _equal(stops.c.cause), "open": _open(stops.c.closed_at)}
        | _since(stops.c.opened_at, "opened"),
    ),
    Kind.ALERTS: _List(
        alerts,
        rows.to_alert,
        ("id",),
        {
            "kind": _equal(alerts.c.kind),
            "subject_id": _equal(alerts.c.subject_id),
            "open": _open(alerts.c.closed_at),
        }
        | _since(alerts.c.opened_at, "opened"),
    ),
    Kind.EVENTS: _List(
        outbox,
        rows.to_outbox_message,
        ("sequence",),
        _EVENTS
        | {
            "subscription_id": _equal(outbox.c.stream_id),
            "subject_id": _about,
            "type": _equal(outbox.c.type),
        }
        | _since(outbox.c.occurred_at, "occurred"),
    ),
    Kind.NOTIFICATIONS: _List(
        inbox,
        rows.to_inbox_message,
        ("id",),
        {
            "status": _equal(inbox.c.status),
            "source": _equal(inbox.c.source),
            "foreign": _equal(inbox.c.is_foreign),
        }
        | _STUCK
        | _since(inbox.c.received_at, "received"),
    ),
    Kind.ACTIONS: _List(
        actions,
        rows.to_action,
        ("id",),
        {"subject_id": _equal(actions.c.subject_id), "actor": _equal(actions.c.actor), "verb": _equal(actions.c.verb)}
        | _since(actions.c.at, "acted"),
    ),
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
        if after is not None:
            statement = statement.where(func.row(*columns) < func.row(*_bound(columns, after)))
        statement = statement.order_by(*(column.desc() for column in columns)).limit(limit + 1)
        found = [dict(row) for row in self._connection.execute(statement).mappings()]
        more = len(found) > limit
        last = found[limit - 1] if more else None
        position = tuple(_as_text(last[name]) for name in listed.order) if last is not None else None
        return Part([listed.hydrate(row) for row in found[:limit]], position)

    def filters(self, kind: Kind) -> Sequence[str]:
        """The names that `wanted` may have."""
        return sorted(_LISTS[kind].filters)


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _bound(columns: Sequence[Any], position: Position) -> list[Any]:
    """The values of a position. Raises InvalidInput for a position of another kind of list."""
    try:
        pairs = list(zip(columns, position, strict=True))
        return [literal(_read(column.type, text), column.type) for column, text in pairs]
    except ValueError as error:
        raise InvalidInput("cursor", "…", "belongs to another list; begin without one") from error


def _read(kind: Any, text: str) -> Any:
    if isinstance(kind, UtcDateTime):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("without a zone")
        return moment
    if not isinstance(kind, Integer):
        return text
    number = int(text)
    if abs(number) > LARGEST:
        raise ValueError("beyond what the column holds")
    return number
