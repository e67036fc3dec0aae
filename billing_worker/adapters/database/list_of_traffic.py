"""The lists of what comes in and goes out: events, notices to customers, and notifications."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.inbox import is_stuck
from billing_worker.adapters.database.list_filters import Filter, List, equal, since
from billing_worker.adapters.database.tables.billing import invoices
from billing_worker.adapters.database.tables.incoming import inbox
from billing_worker.adapters.database.tables.notices import notices
from billing_worker.adapters.database.tables.outgoing import outbox
from billing_worker.adapters.database.tables.payments import payment_attempts, refunds
from billing_worker.domain.text import normal_form, spellings
from billing_worker.ports.lists import Kind

_I, _A, _R, _N = invoices.c, payment_attempts.c, refunds.c, notices.c


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


def _about(ident: str) -> Any:
    """Events about one thing: they are in the stream of its subscription, or else of its invoice, or in its own."""
    of_invoice = select(_I.subscription_id).where(_I.id == ident).scalar_subquery()
    paid = _A.id == select(_R.attempt_id).where(_R.id == ident).scalar_subquery()
    owner = func.coalesce(_I.subscription_id, _I.id)
    of_refund = select(owner).join(payment_attempts, _A.invoice_id == _I.id).where(paid).scalar_subquery()
    return (outbox.c.stream_id == func.coalesce(of_invoice, of_refund, ident)) & (outbox.c.subject_id == ident)


_EVENTS: dict[str, Filter] = {"status": _kind_of_status, "failed": _undelivered}
_STUCK: dict[str, Filter] = {"stuck_at": _stuck}

TRAFFIC: Mapping[Kind, List] = {
    Kind.EVENTS: List(
        outbox,
        rows.to_outbox_message,
        ("sequence",),
        _EVENTS
        | {
            "subscription_id": equal(outbox.c.stream_id),
            "subject_id": _about,
            "type": equal(outbox.c.type),
        }
        | since(outbox.c.occurred_at, "occurred"),
    ),
    Kind.NOTIFICATIONS: List(
        inbox,
        rows.to_inbox_message,
        ("id",),
        {
            "status": equal(inbox.c.status),
            "source": equal(inbox.c.source),
            "foreign": equal(inbox.c.is_foreign),
        }
        | _STUCK
        | since(inbox.c.received_at, "received"),
    ),
    Kind.NOTICES: List(
        notices,
        rows.to_notice,
        ("number",),
        {
            "customer": lambda value: _N.customer.in_(spellings(normal_form(value))),
            "subscription_id": equal(_N.subscription_id),
            "invoice_id": equal(_N.subject_id),
            "kind": equal(_N.kind),
            "channel": equal(_N.channel),
            "status": equal(_N.status),
        }
        | since(_N.created_at, "created"),
    ),
}
