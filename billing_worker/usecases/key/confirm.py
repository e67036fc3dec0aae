"""Read the gateway about keys that wait for their confirmation. No key is charged before (docs/decisions/0040).

A webhook is sent once, and may be lost. PortOne stores a Paymentwall key under its customer_uid only after Paymentwall
confirmed the payment that issued it (PortOne's Paymentwall guide). So a stored key whose issuing payment is paid proves
the same as the webhook.
"""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT, BillingKey, KeyStatus, KeyWait
from billing_worker.domain.events import EventType, of_key
from billing_worker.domain.issuing_payment import Seen, is_another_issue, issuing_payment, never_issues
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import GatewayPayment, PaymentStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import KeyReading, Listing
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.key.issuance import alert_another_issue
from billing_worker.usecases.key.stored import confirm_stored
from billing_worker.usecases.key.unlock import unlock
from billing_worker.usecases.key.wait import Missing, wait


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim pending keys whose next look is due."""
    with ports.database.transaction() as uow:
        real_now = ports.clock.moment().real
        ids = uow.keys.claim_looks(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def confirm(ports: Ports, key_id: str, *, announce: bool = True) -> bool:
    """Read the gateway once; returns whether the key may be charged from now on.

    `announce` is False for a caller that registers the key and answers with its status: there is no news then.
    """
    with ports.database.transaction() as uow:
        key = uow.keys.get(key_id)
        is_called_about = any(call.is_open for call in uow.key_calls.of_key(key_id))
    if not key.awaits_confirmation or is_called_about or key.waits_for is KeyWait.FIRST_PAYMENT:
        return False  # the call about it finds out (`entry`), which knows whose key a read would show
    if key.pg_provider not in ISSUED_BY_PAYMENT:
        return confirm_stored(ports, key, announce=announce)
    return _confirm_by_payment(ports, key)


def _confirm_by_payment(ports: Ports, key: BillingKey) -> bool:
    reading = ports.gateway.read_key(key.customer_uid)
    listing = ports.gateway.payments_of_key(key.customer_uid)
    seen = issuing_payment(listing.payments) if listing.trouble is None else None
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        _alert_others(uow, key, seen, listing, moment)
        unlocked = _unlocks(uow, key, reading, seen, moment)
        if not unlocked:
            key = uow.keys.lock(key.id)
            if key.status is KeyStatus.PENDING:
                missing = _missing(listing, seen, reading)
                _wait_or_give_up(ports, uow, key, seen, missing=missing, moment=moment)
        uow.commit()
    return unlocked


def _unlocks(uow: UnitOfWork, key: BillingKey, reading: KeyReading, seen: Seen | None, moment: Moment) -> bool:
    if reading.stored is None or seen is None or not _confirms(key, seen[0]) or not unlock(uow, key, *seen, moment):
        return False
    unlocked = uow.keys.lock(key.id)
    unlocked.show_card(reading.stored.card, moment.billing)
    uow.keys.save(unlocked)
    return True


def _confirms(key: BillingKey, payment: GatewayPayment) -> bool:
    """Whether the key may be charged, if the gateway has it.

    A key that worked before this release is confirmed again. It still counts if its first payment has been refunded
    since.
    """
    return payment.holds_money or (key.activated_at is not None and payment.status is PaymentStatus.CANCELLED)


def _alert_others(uow: UnitOfWork, key: BillingKey, seen: Seen | None, listing: Listing, moment: Moment) -> None:
    if seen is None:
        return
    first = seen[0].imp_uid
    for payment, _ in listing.payments:
        if is_another_issue(payment, first, key.created_at):
            alert_another_issue(uow, payment, key.id, first, moment)


def _wait_or_give_up(
    ports: Ports, uow: UnitOfWork, key: BillingKey, seen: Seen | None, *, missing: Missing, moment: Moment
) -> None:
    reason = never_issues(seen[0], moment.billing) if seen is not None and key.activated_at is None else None
    if reason is not None and key.invalidate(reason):
        uow.keys.save(key)
        uow.alerts.close(AlertKind.KEY_PENDING, key.id, moment)
        uow.alerts.close(AlertKind.KEY_EMAIL, key.id, moment)
        uow.announce([of_key(EventType.BILLING_KEY_INVALID, key, reason=reason)], moment)
        return
    wait(ports, uow, key, missing, moment)


def _missing(listing: Listing, seen: Seen | None, reading: KeyReading) -> Missing:
    """What keeps the key from being active, by the gateway's answer."""
    if listing.trouble is not None or reading.known is None:
        return KeyWait.UNREADABLE, {}
    if seen is None:
        return KeyWait.NO_PAYMENT, {}
    cause = KeyWait.HAS_KEY if reading.known else KeyWait.NO_KEY
    return cause, {"payment": seen[0].imp_uid, "status": seen[0].status.value}
