"""Filters for what is due without an outcome: the same that the report counts."""

from typing import Any

from sqlalchemy import select

from billing_worker.adapters.database.list_filters import Filter
from billing_worker.adapters.database.tables.billing import billing_keys, invoices, subscriptions
from billing_worker.adapters.database.tables.payments import payment_attempts
from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.invoice import OPEN_ATTEMPT, AttemptStatus, InvoiceStatus
from billing_worker.domain.subscription import RENEWING

_S, _I, _K, _A = subscriptions.c, invoices.c, billing_keys.c, payment_attempts.c


BEGUN: dict[str, Filter] = {
    "due_by": lambda now: _S.status.in_(RENEWING) & _S.held_since.is_(None) & (_S.next_period_start <= now)
}
"""Subscriptions whose next period has begun and has no invoice yet."""


def _only(condition: Any, wanted: bool) -> Any:  # noqa: FBT001 - one value, as every filter takes
    return condition if wanted else ~condition


def _last_attempt(*statuses: AttemptStatus) -> Any:
    """Invoices whose last attempt has one of these statuses."""
    last = select(_A.id).where(_A.invoice_id == _I.id, _A.number == _I.attempts, _A.status.in_(statuses))
    return last.exists()


_OPEN_INVOICE = _I.status == InvoiceStatus.OPEN
WAITING: dict[str, Filter] = {
    "due_by": lambda now: (
        _OPEN_INVOICE
        & (_I.next_attempt_at <= now)
        & ~_last_attempt(*OPEN_ATTEMPT)
        & _I.billing_key_id.not_in(select(_K.id).where(_K.status == KeyStatus.PENDING))
    ),
    "unplaced": lambda wanted: _only(_OPEN_INVOICE & (_I.failures > 0) & _last_attempt(AttemptStatus.FAILED), wanted),
    "unknown": lambda wanted: _only(
        _I.id.in_(select(_A.invoice_id).where(_A.next_look_at.is_not(None), _A.status == AttemptStatus.UNKNOWN)), wanted
    ),
}
"""Invoices that are due without an outcome, by what holds them."""
