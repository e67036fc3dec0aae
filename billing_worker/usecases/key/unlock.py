"""Unlock a key: its waiting invoices are due at once."""

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.billing_key import BillingKey, KeyStatus, masked_email
from billing_worker.domain.events import EventType, of_key
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Evidence, GatewayPayment
from billing_worker.domain.pingback import PingbackPayment
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.key.issuance import note_issue
from billing_worker.usecases.key.reactivate import lock_what_charges, wake_invoices


def unlock(uow: UnitOfWork, key: BillingKey, payment: GatewayPayment, evidence: Evidence, moment: Moment) -> bool:
    """Activate a key by the payment that issued it, within the caller's transaction.

    False when it was already activated, or when a pingback blocks it. Also False when the key has another e-mail than
    the payment: the key then stays as it is, and an alert opens.
    """
    now = moment.billing
    if blocked_by_pingback(uow, key) is not None:
        return False
    given_up = key.status is KeyStatus.INVALID
    if given_up:
        lock_what_charges(uow, key.id)
    key = uow.keys.lock(key.id)
    if blocked_by_pingback(uow, key) is not None or not key.awaits_confirmation:
        return False
    note_issue(uow, key, payment, evidence, moment.real)
    if not key.email_agrees:
        uow.keys.save(key)
        _alert_email(uow, key, moment)
        return False
    # A key that worked before an update of this worker is confirmed again: the merchant sees no change.
    never_worked = key.activated_at is None
    key.activate(now)
    uow.keys.save(key)
    if given_up:
        wake_invoices(uow, key.id, now)
    uow.alerts.close(AlertKind.KEY_PENDING, key.id, moment)
    uow.alerts.close(AlertKind.KEY_EMAIL, key.id, moment)
    if never_worked:
        uow.announce([of_key(EventType.BILLING_KEY_ACTIVATED, key)], moment)
    return True


def _alert_email(uow: UnitOfWork, key: BillingKey, moment: Moment) -> None:
    issued = masked_email(key.issue.buyer_email if key.issue else None)
    facts: Facts = {"registered": masked_email(key.buyer_email), "issued": issued}
    uow.alerts.open(AlertKind.KEY_EMAIL, key.id, facts, moment)


def blocked_by_pingback(uow: UnitOfWork, key: BillingKey) -> PingbackPayment | None:
    """The newest payment at Paymentwall for this key, if it blocks the confirmation of the key."""
    newest = uow.pingbacks.newest(key.customer_uid, key.goodsid)
    return newest if newest is not None and newest.blocks else None
