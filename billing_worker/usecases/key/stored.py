"""Confirm a key that no payment must confirm: PortOne shows it, at the PG and by the payment that were registered."""

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import BillingKey, KeyStatus, KeyWait
from billing_worker.domain.events import EventType, of_key
from billing_worker.domain.payment import PaymentStatus
from billing_worker.domain.pgs.rules import alike
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import KeyReading, Listing
from billing_worker.usecases.key.wait import Missing, wait

ISSUES = (PaymentStatus.PAID, PaymentStatus.CANCELLED)
"""A payment that issued a key; some PGs give a payment for trial back by themselves, and the key stays."""


def confirm_stored(ports: Ports, key: BillingKey, *, announce: bool) -> bool:
    """Read PortOne about a pending key, and activate it if nothing is missing. Returns whether this call did."""
    reading = ports.gateway.read_key(key.customer_uid)
    issued = ports.gateway.payment(key.imp_uid) if key.imp_uid is not None and reading.known else None
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key.id)
        moment = ports.clock.moment()
        if key.status is not KeyStatus.PENDING:
            return False
        missing = _missing(key, reading, issued)
        if missing is not None or reading.stored is None:
            wait(ports, uow, key, missing or (KeyWait.NOT_STORED, {}), moment)
            uow.commit()
            return False
        key.show_card(reading.stored.card, moment.billing)
        key.activate(moment.billing)
        uow.keys.save(key)
        uow.alerts.close(AlertKind.KEY_PENDING, key.id, moment)
        if announce:
            uow.announce([of_key(EventType.BILLING_KEY_ACTIVATED, key)], moment)
        uow.commit()
    return True


def _missing(key: BillingKey, reading: KeyReading, issued: Listing | None) -> Missing | None:
    """What keeps the key from being active; None if it may be charged."""
    if reading.known is None:
        return KeyWait.UNREADABLE, {}
    if reading.stored is None:
        return KeyWait.NOT_STORED, {}
    told = reading.stored.pg_provider
    if told is not None and not alike(key.pg_provider, told):
        return KeyWait.OTHER_PG, {"registered": key.pg_provider, "told": told}
    return None if issued is None else _missing_payment(key, issued)


def _missing_payment(key: BillingKey, issued: Listing) -> Missing | None:
    """What is wrong with the payment that is said to have issued the key."""
    if issued.trouble is not None:
        return KeyWait.UNREADABLE, {}
    payment = issued.payments[0][0] if issued.payments else None
    if payment is None or payment.customer_uid != key.customer_uid:
        return KeyWait.OTHER_PAYMENT, {"payment": str(key.imp_uid)}
    registers_only = payment.money.amount == 0 and payment.status is not PaymentStatus.FAILED
    if payment.status not in ISSUES and not registers_only:
        return KeyWait.NOT_PAID, {"payment": payment.imp_uid, "status": payment.status.value}
    return None
