"""Bring a card session forward: read PortOne, register the key, wait for it, replace the card of a subscription.

Every caller does the same: the page after its window closed, a second tab, the mobile redirect, the webhook, and the
scan, for browsers that never came back. Each step is one transaction under the session's lock, so a crash or a lost
answer repeats it without a second effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.card_session import FIRST_LOOK, CardSession, CardSessionStatus, WindowResult
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import GatewayPayment
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.confirm import confirm
from billing_worker.usecases.key.register import NewKey, new_key
from billing_worker.usecases.subscription.replace_key import replace_key

STRANGE = "the payment differs from what this page asked for"


@dataclass(frozen=True, slots=True)
class Seen:
    """What PortOne shows about a session's window. `trouble` is set when it could not be read."""

    result: WindowResult = WindowResult.NOTHING
    payment: GatewayPayment | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A session after a step, and what PortOne showed."""

    session: CardSession
    seen: Seen = Seen()
    unlocked: str | None = None
    """The key whose invoices may be charged from now on."""


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim sessions whose next look is due."""
    with ports.database.transaction() as uow:
        real_now = ports.clock.moment().real
        ids = uow.card_sessions.claim_looks(real_now, real_now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def advance(ports: Ports, session_id: str) -> Progress:
    """Bring one session as far as PortOne's answers allow. Raises NotFound."""
    with ports.database.transaction() as uow:
        session = uow.card_sessions.get(session_id)
    seen = Seen()
    if session.status is CardSessionStatus.OPEN:
        seen = _read(ports, session)
        session = _register(ports, session.id, seen)
    if session.status is CardSessionStatus.REGISTERED:
        return _finish(ports, session, seen)
    return Progress(session, seen)


def _read(ports: Ports, session: CardSession) -> Seen:
    """PortOne's answer. The browser's imp_uid is read first, since a list may lag; it counts only under our names."""
    hinted = ports.gateway.payment(session.imp_uid) if session.imp_uid is not None else None
    listing = ports.gateway.payments_of(session.merchant_uid)
    shown = {payment.imp_uid: payment for payment, _ in listing.payments}
    if hinted is not None and hinted.trouble is None:
        shown |= {each.imp_uid: each for each, _ in hinted.payments if each.merchant_uid == session.merchant_uid}
    judged = [Seen(session.judge(payment), payment) for payment in shown.values()]
    for result in (WindowResult.GIVEN, WindowResult.STRANGE, WindowResult.PENDING):
        found = next((each for each in judged if each.result is result), None)
        if found is not None:
            return found
    if session.money.amount == 0:
        # Only this window has this customer_uid, so it made a key under it.
        reading = ports.gateway.read_key(session.customer_uid)
        if reading.stored is not None:
            return Seen(WindowResult.GIVEN)
        if reading.trouble is not None:
            return Seen(trouble=reading.trouble)
    if listing.trouble is not None:
        return Seen(trouble=listing.trouble)
    return judged[0] if judged else Seen()


def _register(ports: Ports, session_id: str, seen: Seen) -> CardSession:
    """Act on what PortOne showed: a given card becomes a pending key, once."""
    with ports.database.transaction() as uow:
        session = uow.card_sessions.lock(session_id)
        moment = ports.clock.moment()
        if session.status is not CardSessionStatus.OPEN:
            return session
        if seen.result is WindowResult.GIVEN:
            _store_key(ports, uow, session, seen.payment, moment)
        elif seen.result is WindowResult.STRANGE and seen.payment is not None:
            session.end(CardSessionStatus.FAILED, STRANGE)
            facts = {"money": str(seen.payment.money), "wanted": str(session.money), "session": session.id}
            uow.alerts.open(AlertKind.CARD_PAYMENT, seen.payment.imp_uid, facts, moment)
        else:
            if seen.result is WindowResult.DECLINED and seen.payment is not None:
                session.problem = seen.payment.fail_reason
            if session.begun_at is not None:
                session.wait(moment.real)
        uow.card_sessions.save(session)
        uow.commit()
    return session


def _store_key(
    ports: Ports, uow: UnitOfWork, session: CardSession, payment: GatewayPayment | None, moment: Moment
) -> None:
    key = uow.keys.with_customer_uid(session.customer_uid)
    if key is None:
        key = new_key(
            ports,
            moment,
            NewKey(
                session.customer_uid,
                session.pg_provider,
                buyer_name=session.buyer_name,
                buyer_email=session.buyer_email,
                buyer_tel=session.buyer_tel,
                imp_uid=payment.imp_uid if payment is not None else None,
            ),
        )
        uow.keys.add(key)
        note(ports, uow, Verb.KEY_REGISTERED, key.id, f"by card session {session.id}", at=moment.real)
    session.billing_key_id, session.problem = key.id, None
    session.imp_uid = payment.imp_uid if payment is not None else None
    session.status, session.looks = CardSessionStatus.REGISTERED, 0
    session.next_look_at = moment.real + FIRST_LOOK


def _finish(ports: Ports, session: CardSession, seen: Seen) -> Progress:
    """End the session when its key is active or dead; until then, its job and the key's own scan go on."""
    key_id = str(session.billing_key_id)
    confirm(ports, key_id)
    with ports.database.transaction() as uow:
        key = uow.keys.get(key_id)
    problem = None
    if key.status is KeyStatus.ACTIVE and session.subscription_id is not None:
        problem = _replace(ports, session.subscription_id, key_id)
    with ports.database.transaction() as uow:
        session = uow.card_sessions.lock(session.id)
        if session.status is CardSessionStatus.REGISTERED:
            if key.status is KeyStatus.PENDING:
                session.wait(ports.clock.moment().real)
            elif key.status is KeyStatus.ACTIVE and problem is None:
                session.end(CardSessionStatus.DONE)
            else:
                session.end(CardSessionStatus.FAILED, problem or key.invalid_reason)
            uow.card_sessions.save(session)
            uow.commit()
    return Progress(session, seen, key_id if key.status is KeyStatus.ACTIVE else None)


def _replace(ports: Ports, subscription_id: str, key_id: str) -> str | None:
    """Charge the subscription to the new key, once, with everything that it owes. Returns the obstacle, if any."""
    with ports.database.transaction() as uow:
        if uow.subscriptions.get(subscription_id).billing_key_id == key_id:
            return None
    try:
        replace_key(ports, subscription_id, key_id)
    except (Conflict, InvalidInput) as error:
        return str(error)
    return None
