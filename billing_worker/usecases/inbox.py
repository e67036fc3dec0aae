"""Take in webhooks and pingbacks, and apply them.

What a notification says is a hint: it makes us read the gateway, and what the gateway answers is recorded through the
same door as every other answer. Receiving stores and returns; applying is a job like the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing_worker.domain.billing_key import PAYMENTWALL, BillingKey, KeyStatus
from billing_worker.domain.payment import Evidence, GatewayPayment, PaymentStatus
from billing_worker.ports import Echo, InboxMessage, InboxStatus, Listing, Ports, UnitOfWork
from billing_worker.usecases.record import record_payment
from billing_worker.usecases.unlock import unlock

PORTONE = "portone"
PAYMENTWALL_PINGBACK = "paymentwall"

MOST_TRIES = 34
"""With doubling waits from 5 s to an hour this is a day: for a gateway that is away, and for a merchant who registers
the key that a webhook confirms only later."""
FEW_TRIES = 6
"""For a payment that the gateway does not know, in about three minutes: anybody can make one up."""
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
ECHO_WAIT = timedelta(seconds=5)
"""An answer and its webhook leave PortOne together; longer than both need to arrive and to be recorded."""

DELIVERING_TYPES = frozenset({"0", "1", "201"})
"""Paymentwall: paid, credited, and accepted after a risk review."""


@dataclass(slots=True)
class Applied:
    """What became of a notification."""

    status: InboxStatus
    note: str
    most_tries: int = MOST_TRIES
    """While it stays `received`: how often to try."""
    unlocked: list[str] = field(default_factory=list)
    """Keys that may be charged from now on."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was stored, and whether it is worth a ring."""

    id: int
    at_once: bool
    """False for the ordinary echo of a charge of our own: the charge's answer says the same."""


def receive(ports: Ports, source: str, dedupe_key: str, payload: dict[str, str]) -> Receipt:
    """Store a notification durably; the same one again is counted, and applied again.

    PortOne sends a webhook for every charge that we place. Where its payment is recorded already nothing is left to
    do; while its attempt is in flight the answer gets a few seconds to come first.
    """
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        expected = Echo.NONE
        if source == PORTONE and payload["status"] == PaymentStatus.PAID:
            expected = uow.attempts.echo_of(payload["imp_uid"], payload["merchant_uid"])
        next_try = real_now + ECHO_WAIT if expected is Echo.IN_FLIGHT else real_now
        status = InboxStatus.APPLIED if expected is Echo.RECORDED else InboxStatus.RECEIVED
        message_id = uow.inbox.add(source, dedupe_key, payload, status=status, real_now=real_now, next_try_at=next_try)
        uow.commit()
    return Receipt(message_id, at_once=expected is Echo.NONE)


def due(ports: Ports, limit: int) -> Sequence[int]:
    """Claim notifications that are still to be applied; those that tell nothing new any more are done with at once."""
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        uow.inbox.close_echoes(real_now)
        ids = uow.inbox.claim_due(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def apply(ports: Ports, message_id: int) -> Applied:
    """Read the gateway about one notification and record what it answers."""
    with ports.database.transaction() as uow:
        message = uow.inbox.lock(message_id)
        if message.status is not InboxStatus.RECEIVED:
            return Applied(message.status, "applied before")
    seen = message.deliveries
    if message.source == PORTONE:
        listing = ports.gateway.payment(message.payload["imp_uid"])
        knows_key = None
    else:
        listing = Listing(())
        knows_key = ports.gateway.knows_key(message.payload["uid"])
    with ports.database.transaction() as uow:
        message = uow.inbox.lock(message_id)
        if message.status is not InboxStatus.RECEIVED:
            return Applied(message.status, "applied before")
        if message.source == PORTONE:
            applied = _apply_webhook(ports, uow, message, listing)
        else:
            applied = _apply_pingback(ports, uow, message, knows_key=knows_key)
        _write_back(message, applied, seen, ports.clock.real_now())
        uow.inbox.save(message)
        uow.commit()
    return applied


def _apply_webhook(ports: Ports, uow: UnitOfWork, message: InboxMessage, listing: Listing) -> Applied:
    if listing.trouble is not None:
        return Applied(InboxStatus.RECEIVED, f"the gateway could not be read: {listing.trouble}")
    if not listing.payments:
        return Applied(InboxStatus.RECEIVED, "the gateway knows no such payment", most_tries=FEW_TRIES)
    payment, evidence = listing.payments[0]
    if payment.merchant_uid != message.payload["merchant_uid"]:
        detail = f"a webhook names payment {payment.imp_uid} for another merchant_uid than the gateway does"
        uow.alerts.open("webhook_mismatch", str(message.id), detail, ports.clock.now())
        return Applied(InboxStatus.IGNORED, "the gateway has this payment under another merchant_uid")
    invoice_id = uow.invoices.with_merchant_uid(payment.merchant_uid)
    if invoice_id is not None:
        return Applied(InboxStatus.APPLIED, record_payment(ports, uow, invoice_id, payment, evidence))
    return _apply_issuing_payment(ports, uow, payment, evidence)


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
    uow.keep_evidence(None, evidence, ports.clock.real_now())
    return _unlock(ports, uow, key)


def _apply_pingback(ports: Ports, uow: UnitOfWork, message: InboxMessage, *, knows_key: bool | None) -> Applied:
    kind, uid = message.payload["type"], message.payload["uid"]
    if kind not in DELIVERING_TYPES:
        if kind in ("2", "202"):
            detail = f"Paymentwall reversed {message.payload['ref']} (type {kind}) of {uid}"
            uow.alerts.open("pingback_reversal", message.payload["ref"], detail, ports.clock.now())
        return Applied(InboxStatus.IGNORED, f"a pingback of type {kind} confirms no key")
    key = uow.keys.with_customer_uid(uid)
    if key is None:
        return Applied(InboxStatus.RECEIVED, "confirms a Paymentwall key that is not registered here (yet)")
    if knows_key is None:
        return Applied(InboxStatus.RECEIVED, "the gateway could not be asked whether it has the key")
    if not knows_key:
        return Applied(InboxStatus.RECEIVED, "the gateway does not have the key (yet)")
    return _unlock(ports, uow, key)


def _unlock(ports: Ports, uow: UnitOfWork, key: BillingKey) -> Applied:
    if unlock(ports, uow, key):
        return Applied(InboxStatus.APPLIED, f"key {key.id} is {KeyStatus.ACTIVE}", unlocked=[key.id])
    return Applied(InboxStatus.APPLIED, f"key {key.id} is {key.status}, as was known")


def _write_back(message: InboxMessage, applied: Applied, seen: int, real_now: datetime) -> None:
    message.tries += 1
    message.note = applied.note
    if message.deliveries > seen:
        # It came again while the gateway was being read: what made it come may be younger than the answer.
        message.next_try_at = real_now
        return
    message.status = applied.status
    if applied.status is InboxStatus.RECEIVED:
        if message.tries >= applied.most_tries:
            message.status = InboxStatus.IGNORED
        message.next_try_at = real_now + min(FIRST_WAIT * 2 ** (message.tries - 1), LONGEST_WAIT)
