"""Retry an unpaid invoice now, at an operator's request."""

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.dunning.caps import free_from
from billing_worker.domain.errors import Conflict
from billing_worker.domain.events import EventType, of_invoice
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.subscription import COLLECTING, Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note


def retry_now(ports: Ports, invoice_id: str) -> Invoice:
    """Make the invoice due at once, even one that dunning gave up or that waits for an operator.

    A second call still makes one charge. A decline of that charge spends nothing of the dunning policy. Raises
    NotFound, or Conflict with the obstacle.
    """
    with ports.database.transaction() as uow:
        (due,) = uow.lock_due([invoice_id])
        moment = ports.clock.moment()
        invoice, subscription, key = due.invoice, due.subscription, due.key
        if invoice.status in (InvoiceStatus.PAID, InvoiceStatus.VOID):
            raise Conflict(f"invoice {invoice_id} is {invoice.status}: there is nothing to charge")
        if subscription is not None and subscription.status not in COLLECTING:
            raise Conflict(f"subscription {subscription.id} is {subscription.status}: nothing is charged for it")
        if due.has_open_attempt:
            problem = "has an attempt whose outcome is not known yet; it is resolved by reading the gateway"
            raise Conflict(f"invoice {invoice_id} {problem}, never by charging again (see: why {invoice_id})")
        if key.status is not KeyStatus.ACTIVE:
            way_out = (
                "it is charged as soon as the key is confirmed"
                if key.status is KeyStatus.PENDING
                else _other_key(subscription)
            )
            raise Conflict(f"billing key {key.id} is {key.status}: {way_out}")
        free = free_from(key.declined_at, moment.billing)
        if free > moment.billing:
            problem = f"was declined {len(key.declined_at)} times lately, and card networks allow no further try before"
            way_out = "try again then, or set another key"
            raise Conflict(f"billing key {key.id} {problem} {free:%Y-%m-%d %H:%M} UTC; {way_out}")
        if invoice.awaits_decision:
            uow.alerts.close(AlertKind.TAKEN_BACK, invoice.id, moment)
        given_up = invoice.status is InvoiceStatus.UNCOLLECTIBLE
        invoice.try_by_hand(moment.billing)
        if given_up:
            uow.announce([of_invoice(EventType.INVOICE_REOPENED, subscription, invoice)], moment)
        uow.invoices.save(invoice)
        note(ports, uow, Verb.INVOICE_RETRIED, invoice.id, at=moment.real)
        uow.commit()
    return invoice


def _other_key(subscription: Subscription | None) -> str:
    if subscription is None:
        return "create another payment on a key that works"
    return f"set another key for subscription {subscription.id} first"
