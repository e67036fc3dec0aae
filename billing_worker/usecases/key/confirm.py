"""Read the gateway about keys that wait for their confirmation: its webhook is sent once, and may be lost.

PortOne stores a Paymentwall key under its customer_uid only after Paymentwall confirmed the payment that issued it
(PortOne's Paymentwall guide). So a stored key whose issuing payment is paid proves the same as the webhook.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.events import EventType, of_key
from billing_worker.domain.issuing_payment import Seen, is_another_issue, issuing_payment, never_issues
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import GatewayPayment, PaymentStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import Listing
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.key.issuance import alert_another_issue
from billing_worker.usecases.key.unlock import unlock

FIRST_LOOK = timedelta(minutes=1)
LONGEST_LOOK = timedelta(hours=1)


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim pending keys whose next look is due."""
    with ports.database.transaction() as uow:
        real_now = ports.clock.moment().real
        ids = uow.keys.claim_looks(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def confirm(ports: Ports, key_id: str) -> bool:
    """Read the gateway once; returns whether the key may be charged from now on."""
    with ports.database.transaction() as uow:
        key = uow.keys.get(key_id)
    if not key.awaits_confirmation:
        return False
    known = ports.gateway.knows_key(key.customer_uid)
    listing = ports.gateway.payments_of_key(key.customer_uid)
    seen = issuing_payment(listing.payments) if listing.trouble is None else None
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        _alert_others(uow, key, seen, listing, moment.billing)
        unlocked = bool(known) and seen is not None and _confirms(key, seen[0]) and unlock(uow, key, *seen, moment)
        if not unlocked:
            key = uow.keys.lock(key_id)
            if key.status is KeyStatus.PENDING:
                _wait_or_give_up(ports, uow, key, seen, _found(listing, seen, known=known), moment=moment)
        uow.commit()
    return unlocked


def _confirms(key: BillingKey, payment: GatewayPayment) -> bool:
    """Whether the key may be charged, if the gateway has it.

    A key that worked before this release is confirmed again. It still counts if its first payment has been refunded
    since.
    """
    return payment.holds_money or (key.activated_at is not None and payment.status is PaymentStatus.CANCELLED)


def _alert_others(uow: UnitOfWork, key: BillingKey, seen: Seen | None, listing: Listing, now: datetime) -> None:
    if seen is None:
        return
    first = seen[0].imp_uid
    for payment, _ in listing.payments:
        if is_another_issue(payment, first, key.created_at):
            alert_another_issue(uow, payment, key.id, first, now)


def _wait_or_give_up(
    ports: Ports, uow: UnitOfWork, key: BillingKey, seen: Seen | None, found: Facts, *, moment: Moment
) -> None:
    now = moment.billing
    reason = never_issues(seen[0], now) if seen is not None and key.activated_at is None else None
    if reason is not None and key.invalidate(reason):
        uow.keys.save(key)
        uow.alerts.close(AlertKind.KEY_PENDING, key.id, now)
        uow.alerts.close(AlertKind.KEY_EMAIL, key.id, now)
        uow.announce([of_key(EventType.BILLING_KEY_INVALID, key, reason=reason)], moment)
        return
    overdue = key.created_at + timedelta(seconds=ports.timing.key_pending_alert)
    wait = min(FIRST_LOOK * 2 ** min(key.looks, 20), LONGEST_LOOK)
    # The look that alerts an operator comes on time.
    key.next_look_at = moment.real + (min(wait, overdue - now) if now < overdue else wait)
    key.looks += 1
    uow.keys.save(key)
    if now >= overdue:
        _alert_pending(uow, key, found, now)


def _alert_pending(uow: UnitOfWork, key: BillingKey, found: Facts, now: datetime) -> None:
    facts = {**found, "since": f"{key.created_at:%Y-%m-%d %H:%M} UTC"}
    uow.alerts.open(AlertKind.KEY_PENDING, key.id, facts, now)


def _found(listing: Listing, seen: Seen | None, *, known: bool | None) -> Facts:
    """The facts of the gateway's answer; equal from look to look until it changes."""
    if listing.trouble is not None or known is None:
        return {"case": "unreadable"}
    if seen is None:
        return {"case": "no_payment"}
    case = "has_key" if known else "no_key"
    return {"case": case, "payment": seen[0].imp_uid, "status": seen[0].status.value}
