"""Reactivate an invalid billing key."""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT, BillingKey, KeyStatus
from billing_worker.domain.errors import Conflict
from billing_worker.domain.events import EventType, of_key
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus
from billing_worker.domain.issuing_payment import issuing_payment
from billing_worker.domain.key_call import NEVER_STORED
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind
from billing_worker.ports.outside import StoredKey
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.issuance import note_issue


def reactivate(ports: Ports, key_id: str) -> BillingKey:
    """Reactivate at an operator's request: the card works after all, or the gateway was read with the wrong account.

    Invoices that wait for another key are due at once. Raises NotFound, or Conflict for a key that is not invalid, or
    was never chargeable.
    """
    _look_up(ports, key_id)
    stored = _shown(ports, key_id)
    with ports.database.transaction() as uow:
        lock_what_charges(uow, key_id)
        # Read under the lock: another request may do the same at this moment.
        key = uow.keys.lock(key_id)
        moment = ports.clock.moment()
        if key.status is not KeyStatus.INVALID:
            raise Conflict(f"billing key {key_id} is {key.status}: only an invalid one can be reactivated")
        _refuse_unstored(uow, key)
        if not key.email_agrees and (key.issue is None or key.activated_at is None):
            raise Conflict(f"billing key {key_id} never worked ({key.invalid_reason}): the customer needs another")
        if not key.email_agrees:
            problem = "carries another e-mail than the payment that issued it: first set that e-mail"
            raise Conflict(f"billing key {key_id} {problem}")
        wake_invoices(uow, key_id, moment.billing)
        key.move_to(KeyStatus.ACTIVE)
        key.activated_at, key.invalid_reason = moment.billing, None
        if stored is not None:
            key.show_card(stored.card, moment.billing)
        uow.keys.save(key)
        uow.announce([of_key(EventType.BILLING_KEY_ACTIVATED, key)], moment)
        note(ports, uow, Verb.KEY_REACTIVATED, key.id, at=moment.real)
        uow.commit()
    return key


def _shown(ports: Ports, key_id: str) -> StoredKey | None:
    """The key as the gateway shows it now, if it does: its customer_uid may have been issued for another card."""
    with ports.database.transaction() as uow:
        key = uow.keys.get(key_id)
    return ports.gateway.read_key(key.customer_uid).stored if key.status is KeyStatus.INVALID else None


def _refuse_unstored(uow: UnitOfWork, key: BillingKey) -> None:
    """Refuse a key that is being deleted, and one that PortOne never stored."""
    calls = uow.key_calls.of_key(key.id)
    if any(call.is_open for call in calls):
        raise Conflict(f"billing key {key.id} is being issued or deleted; wait for the result")
    if key.activated_at is None and any(call.status in NEVER_STORED for call in calls):
        raise Conflict(f"billing key {key.id} was never stored at PortOne ({key.invalid_reason}): issue another one")
    if was_never_paid_for(uow, key):
        raise Conflict(f"billing key {key.id} never worked ({key.invalid_reason}): the customer needs another")


def was_never_paid_for(uow: UnitOfWork, key: BillingKey) -> bool:
    """Whether its first payment was not taken: a key of this name at PortOne may be another system's."""
    if key.status is not KeyStatus.INVALID or key.activated_at is not None or key.pg_provider in ISSUED_BY_PAYMENT:
        return False
    taken = {"billing_key_id": key.id, "status": AttemptStatus.APPROVED}  # perhaps later
    return not uow.lists.part(Kind.ATTEMPTS, taken, 1, None).items


def _look_up(ports: Ports, key_id: str) -> None:
    """Look up which payment issued a key: older releases did not store it.

    A Paymentwall key must be charged exactly as it was issued.
    """
    with ports.database.transaction() as uow:
        key = uow.keys.get(key_id)
    if key.pg_provider not in ISSUED_BY_PAYMENT or key.status is not KeyStatus.INVALID:
        return
    if key.issue is not None or key.activated_at is None:
        return
    known = ports.gateway.read_key(key.customer_uid).known
    listing = ports.gateway.payments_of_key(key.customer_uid)
    if known is None or listing.trouble is not None:
        raise Conflict(f"billing key {key_id} must be looked up first, and PortOne could not be read: try again later")
    seen = issuing_payment(listing.payments)
    if not known or seen is None:
        missing = "the payment that issued it" if known else "it"
        raise Conflict(f"billing key {key_id}: PortOne does not show {missing}; the customer needs another")
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        if key.status is KeyStatus.INVALID:
            note_issue(uow, key, *seen, ports.clock.moment().real)
            uow.keys.save(key)
            uow.commit()


def lock_what_charges(uow: UnitOfWork, key_id: str) -> None:
    """Lock what charges the key before the key itself, as all transactions do: otherwise two could deadlock."""
    for ident in _charged(uow, key_id):
        uow.subscriptions.lock(ident)
    for invoice in uow.invoices.singles_of_key(key_id):
        uow.lock_invoice(invoice.id)


def wake_invoices(uow: UnitOfWork, key_id: str, now: datetime) -> None:
    """Make invoices that wait for another key due at once: this key works after all.

    The caller holds the locks of `lock_what_charges`.
    """
    for invoice in uow.invoices.singles_of_key(key_id):
        _wake(uow, invoice, key_id, now)
    for ident in _charged(uow, key_id):
        charge_instead(uow, ident, key_id, now)


def charge_instead(uow: UnitOfWork, subscription_id: str, key_id: str, now: datetime) -> None:
    """Charge the invoices of a subscription that wait for another key on this one, at once. The caller has its lock."""
    for invoice in uow.invoices.of_subscription(subscription_id):
        _wake(uow, invoice, key_id, now)


def _wake(uow: UnitOfWork, invoice: Invoice, key_id: str, now: datetime) -> None:
    if invoice.status is InvoiceStatus.OPEN and invoice.awaits_key:
        invoice.use_key(key_id, now, at_once=True)
        uow.invoices.save(invoice)


def _charged(uow: UnitOfWork, key_id: str) -> Sequence[str]:
    """The subscriptions that are charged to this key, or have it as a fallback, in the order of their ids."""
    own = [subscription.id for subscription in uow.subscriptions.of_key(key_id)]
    return sorted({*own, *uow.fallbacks.backed_by(key_id)})
