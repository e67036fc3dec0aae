"""One customer as a whole: what was bought, what is owed, what was paid, and what comes next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

MOST = 100
"""Of each kind, the newest; the lists have the rest."""
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Coming:
    """Something that will happen to a customer."""

    at: datetime | None
    """Billing time; None where it waits for something that has no date."""
    what: str
    subscription_id: str
    invoice_id: str | None
    money: Money


@dataclass(frozen=True, slots=True)
class Customer:
    """What there is about one customer; of each kind the newest."""

    customer: str
    subscriptions: Sequence[Subscription]
    keys: Sequence[BillingKey]
    owed: Sequence[Invoice]
    """Open, or given up by dunning."""
    payments: Sequence[PaymentAttempt]
    """Approved attempts."""
    coming: Sequence[Coming]
    """Soonest first; what has no date comes last."""


def customer_with(ports: Ports, customer: str) -> Customer:
    """The customer with this id of the merchant's. Raises NotFound for one that was never subscribed."""
    if not storable(customer):
        raise NotFound("customer", customer)
    with ports.database.transaction() as uow:
        subscriptions: Sequence[Subscription] = _list(uow, Kind.SUBSCRIPTIONS, {"customer": customer})
        if not subscriptions:
            raise NotFound("customer", customer)
        keys: Sequence[BillingKey] = _list(uow, Kind.BILLING_KEYS, {"customer": customer})
        owed: list[Invoice] = []
        for status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE):
            owed += _list(uow, Kind.INVOICES, {"customer": customer, "status": status})
        paid = {"customer": customer, "status": AttemptStatus.APPROVED}
        payments: Sequence[PaymentAttempt] = _list(uow, Kind.ATTEMPTS, paid)
        plans = {each.plan_id: uow.plans.get(each.plan_id) for each in subscriptions}
    owed.sort(key=lambda invoice: invoice.created_at, reverse=True)
    coming = [*_charges(owed, subscriptions, keys), *_periods(subscriptions, plans)]
    coming.sort(key=lambda each: each.at or _NEVER)
    return Customer(customer, subscriptions, keys, owed, payments, coming)


def _list(uow: UnitOfWork, kind: Kind, wanted: Mapping[str, object]) -> Sequence[Any]:
    return uow.lists.part(kind, wanted, MOST, None).items


def _charges(
    owed: Sequence[Invoice], subscriptions: Sequence[Subscription], keys: Sequence[BillingKey]
) -> Sequence[Coming]:
    chargeable = {each.id for each in keys if each.status is KeyStatus.ACTIVE}
    collecting = {each.id for each in subscriptions if each.status in COLLECTING}
    found = []
    for invoice in owed:
        if invoice.status is not InvoiceStatus.OPEN or invoice.subscription_id not in collecting:
            continue
        ready = invoice.billing_key_id in chargeable and invoice.next_attempt_at is not None
        what = "an open invoice is charged" if ready else "an open invoice waits; `why` says for what"
        at = invoice.next_attempt_at if ready else None
        found.append(Coming(at, what, invoice.subscription_id, invoice.id, invoice.money))
    return found


def _periods(subscriptions: Sequence[Subscription], plans: Mapping[str, Plan]) -> Sequence[Coming]:
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
        found.append(Coming(at, what, each.id, None, plans[each.plan_id].money))
    return found
