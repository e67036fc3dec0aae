"""Apply a PortOne webhook: what it says made us read the gateway, and what the gateway answered is recorded."""

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import PAYMENTWALL
from billing_worker.domain.issuing_payment import ISSUES, is_another_issue
from billing_worker.domain.notification import FEW_TRIES, FOREIGN_TRIES, books_lag
from billing_worker.domain.payment import Evidence, GatewayPayment, PaymentStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.incoming import InboxMessage, InboxStatus
from billing_worker.ports.outside import Listing
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.incoming.applied import Applied, apply_confirmation
from billing_worker.usecases.key.issuance import alert_another_issue
from billing_worker.usecases.settle.record import record_payment


def apply_webhook(ports: Ports, uow: UnitOfWork, message: InboxMessage, listing: Listing) -> Applied:
    """Record what the gateway says about the payment that a webhook named."""
    if listing.trouble is not None:
        return Applied(InboxStatus.RECEIVED, f"the gateway could not be read: {listing.trouble}")
    if not listing.payments:
        few = FOREIGN_TRIES if message.is_foreign else FEW_TRIES
        return Applied(InboxStatus.RECEIVED, "the gateway knows no such payment", most_tries=few)
    payment, evidence = listing.payments[0]
    if payment.merchant_uid != message.payload["merchant_uid"]:
        uow.alerts.open(AlertKind.WEBHOOK_MISMATCH, payment.imp_uid, {}, ports.clock.now())
        return Applied(InboxStatus.IGNORED, "the gateway has this payment under another merchant_uid")
    invoice_id = uow.invoices.with_merchant_uid(payment.merchant_uid)
    if invoice_id is not None:
        return _apply_own(ports, uow, message, invoice_id, (payment, evidence))
    return _apply_issuing_payment(ports, uow, payment, evidence)


def _apply_own(
    ports: Ports, uow: UnitOfWork, message: InboxMessage, invoice_id: str, seen: tuple[GatewayPayment, Evidence]
) -> Applied:
    """A payment of our own: recorded as the books have it, and read again where the webhook tells of more."""
    locked = uow.lock_invoice(invoice_id)
    note, told = record_payment(ports, uow, locked, *seen), message.payload.get("status")
    if not books_lag(told, seen[0]):
        return Applied(InboxStatus.APPLIED, note, subject_id=invoice_id)
    note = f"says {told or 'no status'}, and the gateway's books say {seen[0].status} (so far); {note}"
    return Applied(InboxStatus.RECEIVED, note, most_tries=FEW_TRIES, subject_id=invoice_id)


def _apply_issuing_payment(ports: Ports, uow: UnitOfWork, payment: GatewayPayment, evidence: Evidence) -> Applied:
    """A payment that is not ours: for Paymentwall, the one that issued a key, and with it the key's confirmation."""
    if payment.pg_provider != PAYMENTWALL:
        return Applied(InboxStatus.IGNORED, "a payment that this worker did not make")
    if payment.status in (PaymentStatus.READY, PaymentStatus.UNRECOGNISED):
        return Applied(InboxStatus.RECEIVED, f"the gateway's books say {payment.status} (so far)")
    if not payment.holds_money:
        return Applied(InboxStatus.IGNORED, "a payment that this worker did not make")
    key = uow.keys.with_customer_uid(payment.customer_uid) if payment.customer_uid else None
    if key is None:
        return Applied(InboxStatus.RECEIVED, "confirms a Paymentwall key that is not registered here (yet)")
    if payment.usage not in (None, ISSUES):
        return Applied(InboxStatus.IGNORED, "a payment that this worker did not make")
    if key.issue is not None and is_another_issue(payment, key.issue.imp_uid, key.created_at):
        alert_another_issue(ports, uow, payment, key.id, key.issue.imp_uid)
    # What carries no mark may be any payment of the key: only all of them together show which one issued it.
    return apply_confirmation(ports, uow, key, (payment, evidence) if payment.usage == ISSUES else None)
