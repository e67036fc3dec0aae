"""Apply a PortOne webhook: record the gateway's answer about the payment that it names."""

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT
from billing_worker.domain.card_session import CardSessionStatus
from billing_worker.domain.issuing_payment import is_another_issue
from billing_worker.domain.moment import Moment
from billing_worker.domain.notification import FEW_TRIES, FOREIGN_TRIES, books_lag
from billing_worker.domain.payment import Evidence, GatewayPayment, PaymentStatus
from billing_worker.domain.settlement import LockedInvoice
from billing_worker.ports.bundle import Ports
from billing_worker.ports.incoming import InboxMessage, InboxStatus
from billing_worker.ports.outside import Listing
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.incoming.applied import Applied, apply_confirmation
from billing_worker.usecases.key.issuance import alert_another_issue
from billing_worker.usecases.schedule.leftover import take_unopened
from billing_worker.usecases.settle.record import record_payment


def lock_named(uow: UnitOfWork, message: InboxMessage, listing: Listing) -> LockedInvoice | None:
    """The invoice that the payment read for a webhook pays, locked before the clock is read; None if it is not ours.

    A pingback names no payment at PortOne, so no payment was read.
    """
    shown = listing.payments[0][0] if listing.payments and listing.trouble is None else None
    if shown is None or shown.merchant_uid != message.payload["merchant_uid"]:
        return None
    invoice_id = uow.invoices.with_merchant_uid(shown.merchant_uid)
    return None if invoice_id is None else uow.lock_invoice(invoice_id)


def apply_webhook(
    ports: Ports,
    uow: UnitOfWork,
    message: InboxMessage,
    listing: Listing,
    *,
    locked: LockedInvoice | None,
    moment: Moment,
) -> Applied:
    """Record the gateway's answer about the payment that a webhook names; `locked` is the invoice that it pays."""
    if listing.trouble is not None:
        return Applied(InboxStatus.RECEIVED, f"the gateway could not be read: {listing.trouble}")
    if not listing.payments:
        few = FOREIGN_TRIES if message.is_foreign else FEW_TRIES
        return Applied(InboxStatus.RECEIVED, "the gateway knows no such payment", most_tries=few)
    payment, evidence = listing.payments[0]
    if payment.merchant_uid != message.payload["merchant_uid"]:
        uow.alerts.open(AlertKind.WEBHOOK_MISMATCH, payment.imp_uid, {}, moment)
        return Applied(InboxStatus.IGNORED, "the gateway has this payment under another merchant_uid")
    if locked is not None:
        note = record_payment(ports, uow, locked, payment, evidence, moment=moment)
        return _own(message, payment, note, locked.invoice.id)
    return _without_invoice(ports, uow, payment, evidence, moment)


def _without_invoice(
    ports: Ports, uow: UnitOfWork, payment: GatewayPayment, evidence: Evidence, moment: Moment
) -> Applied:
    """A payment whose order number no invoice has: a schedule, the card page, or a key's issue may have it."""
    unopened = take_unopened(ports, uow, payment, evidence, moment)
    if unopened is not None:
        return Applied(InboxStatus.APPLIED, unopened)
    session = uow.card_sessions.with_merchant_uid(payment.merchant_uid)
    if session is not None and session.status is CardSessionStatus.OPEN:
        return _of_window(uow, session.id, moment)
    return _apply_issuing_payment(uow, payment, evidence, moment)


def _of_window(uow: UnitOfWork, session_id: str, moment: Moment) -> Applied:
    """A payment of the card page: its session is brought forward at once, perhaps before the browser comes back."""
    session = uow.card_sessions.lock(session_id)
    if session.status is CardSessionStatus.OPEN:
        session.next_look_at = moment.real
        uow.card_sessions.save(session)
    note = f"card session {session.id} is looked up at the gateway"
    return Applied(InboxStatus.APPLIED, note, to_advance=[session.id], subject_id=session.id)


def _own(message: InboxMessage, payment: GatewayPayment, note: str, invoice_id: str) -> Applied:
    """Record one of our payments as the books have it. If the webhook says more, the gateway is read again."""
    told = message.payload.get("status")
    if not books_lag(told, payment):
        return Applied(InboxStatus.APPLIED, note, subject_id=invoice_id)
    note = f"says {told or 'no status'}, and the gateway's books say {payment.status} (so far); {note}"
    return Applied(InboxStatus.RECEIVED, note, most_tries=FEW_TRIES, subject_id=invoice_id)


def _apply_issuing_payment(uow: UnitOfWork, payment: GatewayPayment, evidence: Evidence, moment: Moment) -> Applied:
    """Handle a payment that is not ours: at Paymentwall it may have issued, and so confirm, a key."""
    if payment.pg_provider not in ISSUED_BY_PAYMENT:
        return Applied(InboxStatus.IGNORED, "a payment that this worker did not make")
    if payment.status in (PaymentStatus.READY, PaymentStatus.UNRECOGNISED):
        return Applied(InboxStatus.RECEIVED, f"the gateway's books say {payment.status} (so far)")
    if not payment.holds_money:
        return Applied(InboxStatus.IGNORED, "a payment that this worker did not make")
    key = uow.keys.with_customer_uid(payment.customer_uid) if payment.customer_uid else None
    if key is None:
        return Applied(InboxStatus.RECEIVED, "confirms a Paymentwall key that is not registered here (yet)")
    if payment.issues_key is False:
        return Applied(InboxStatus.IGNORED, "a payment that this worker did not make")
    if key.issue is not None and is_another_issue(payment, key.issue.imp_uid, key.created_at):
        alert_another_issue(uow, payment, key.id, key.issue.imp_uid, moment)
    # A payment without a mark may be any payment of the key: only the whole list shows which one issued it.
    return apply_confirmation(uow, key, moment, (payment, evidence) if payment.issues_key else None)
