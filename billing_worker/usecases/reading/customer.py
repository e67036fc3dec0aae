"""One customer as a whole: subscriptions, debts, payments, and the next steps."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.errors import NotFound
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.money import Money
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import COLLECTING, RENEWING, Subscription
from billing_worker.domain.text import storable
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.reading.views.customers import ComingView, CustomerView
from billing_worker.usecases.reading.views.invoices import of_attempt, of_invoice
from billing_worker.usecases.reading.views.keys import summary_of_key
from billing_worker.usecases.reading.views.subscriptions import of_subscription

MOST_ROWS = 100
"""The newest of each kind; the lists have the rest."""
_NEVER = datetime.max.replace(tzinfo=UTC)


def customer_with(ports: Ports, customer: str) -> CustomerView:
    """The customer with this id of the merchant. Raises NotFound for one with neither subscription nor payment."""
    if not storable(customer):
        raise NotFound("customer", customer)
    with ports.database.transaction() as uow:
        subscriptions: Sequence[Subscription] = _list(uow, Kind.SUBSCRIPTIONS, {"customer": customer})
        keys: Sequence[BillingKey] = _list(uow, Kind.BILLING_KEYS, {"customer": customer})
        if not keys:  # each subscription and each payment has one
            raise NotFound("customer", customer)
        owed: list[Invoice] = []
        for status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE):
            owed += _list(uow, Kind.INVOICES, {"customer": customer, "status": status})
        paid = {"customer": customer, "status": AttemptStatus.APPROVED}
        payments: Sequence[PaymentAttempt] = _list(uow, Kind.ATTEMPTS, paid)
        plans = {each.plan_id: uow.plans.get(each.plan_id) for each in subscriptions}
    owed.sort(key=lambda invoice: invoice.created_at, reverse=True)
    coming = [*_charges(owed, subscriptions, keys), *_periods(subscriptions, plans)]
    coming.sort(key=lambda each: each.at or _NEVER)
    return CustomerView(
        customer=customer,
        subscriptions=[of_subscription(each) for each in subscriptions],
        billing_keys=[summary_of_key(each) for each in keys],
        open_invoices=[of_invoice(each) for each in owed],
        last_payments=[of_attempt(each) for each in payments],
        next=coming,
    )


def _list(uow: UnitOfWork, kind: Kind, wanted: Mapping[str, object]) -> Sequence[Any]:
    return uow.lists.part(kind, wanted, MOST_ROWS, None).items


def _charges(
    owed: Sequence[Invoice], subscriptions: Sequence[Subscription], keys: Sequence[BillingKey]
) -> Sequence[ComingView]:
    chargeable = {each.id for each in keys if each.status is KeyStatus.ACTIVE}
    collecting = {each.id for each in subscriptions if each.status in COLLECTING}
    found = []
    for invoice in owed:
        if invoice.status is not InvoiceStatus.OPEN or invoice.subscription_id not in (None, *collecting):
            continue
        ready = invoice.billing_key_id in chargeable and invoice.next_attempt_at is not None
        what = "an open invoice is charged" if ready else "an open invoice waits; `why` says for what"
        at = invoice.next_attempt_at if ready else None
        found.append(_coming(at, what, invoice.subscription_id, invoice.id, invoice.money))
    return found


def _periods(subscriptions: Sequence[Subscription], plans: Mapping[str, Plan]) -> Sequence[ComingView]:
    found = []
    for each in subscriptions:
        if each.status not in RENEWING:
            continue
        at: datetime | None = each.next_period_start
        what = "the next period begins, and is charged"
        if each.cancel_at_period_end:
            what = "it ends, and is not charged again"
        elif each.held_since is not None:
            at, what = None, "late periods wait for an operator's decision"
        found.append(_coming(at, what, each.id, None, plans[each.plan_id].money))
    return found


def _coming(
    at: datetime | None, what: str, subscription_id: str | None, invoice_id: str | None, money: Money
) -> ComingView:
    return ComingView(
        at=at,
        what=what,
        subscription_id=subscription_id,
        invoice_id=invoice_id,
        amount=money.amount,
        currency=money.currency,
    )
