"""The month in which a card expires: told by the merchant, warned of ahead, and renewed from the gateway.

`_warn` is the one place where a warning leaves: an event for the merchant, once for each key and month.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.card_expiry import ends_at, entered_month, expires_soon
from billing_worker.domain.errors import Conflict, Unavailable
from billing_worker.domain.events import EventType, of_key
from billing_worker.domain.moment import Moment
from billing_worker.domain.subscription import RENEWING, Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note

DAILY = timedelta(days=1)
"""A card whose next charge comes before its end is looked at again so often, and soon after that charge."""
AFTER_CHARGE = timedelta(hours=1)


def set_expiry(ports: Ports, key_id: str, month: str | None) -> BillingKey:
    """Note the month in which the card of a key expires (YYYY-MM); None: not known.

    A repeat changes nothing. Raises NotFound, InvalidInput, or Conflict for a deleted key.
    """
    wanted = entered_month(month) if month is not None else None
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        moment = ports.clock.moment()
        if key.status is KeyStatus.DELETED:
            raise Conflict(f"billing key {key_id} is deleted")
        key.set_expiry(wanted, moment.billing)
        uow.keys.save(key)
        note(ports, uow, Verb.KEY_CHANGED, key_id, "month of expiry", at=moment.real)
        uow.commit()
    return key


def refresh_card(ports: Ports, key_id: str) -> BillingKey:
    """Read the gateway, and note the card that it shows now: a customer_uid that was issued again is another card.

    The month of expiry is kept only where the card is the same. Raises NotFound, Unavailable where the gateway could
    not be read, and Conflict where it has no such key.
    """
    with ports.database.transaction() as uow:
        key = uow.keys.get(key_id)
    reading = ports.gateway.read_key(key.customer_uid)
    if reading.trouble is not None:
        raise Unavailable(f"the gateway could not be read about billing key {key_id}: {reading.trouble}")
    if reading.stored is None:
        raise Conflict(f"the gateway has no key with the customer_uid of {key_id}: the customer must give a card")
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        moment = ports.clock.moment()
        before = key.card
        key.show_card(reading.stored.card, moment.billing)
        if key.card != before:
            note(ports, uow, Verb.KEY_CHANGED, key_id, "the card, as the gateway shows it", at=moment.real)
        uow.keys.save(key)
        uow.commit()
    return key


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim keys whose month of expiry is to be looked at."""
    with ports.database.transaction() as uow:
        now = ports.clock.moment().billing
        ids = uow.keys.claim_expiry_looks(now, now + timedelta(seconds=ports.timing.claim), limit)
        uow.commit()
    return ids


def look(ports: Ports, key_id: str) -> None:
    """Warn of a card that expires before its next charge, once for its month; else look again tomorrow."""
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        moment = ports.clock.moment()
        if key.card_expires is None or key.expiry_look_at is None:
            return  # another month meanwhile, or warned of
        following = next_charge(uow, key_id) if key.status is KeyStatus.ACTIVE else None
        key.expiry_look_at = None
        if following is not None and expires_soon(key.card_expires, moment.billing, following.next_period_start):
            _warn(uow, key, following, moment)
        elif moment.billing < ends_at(key.card_expires):
            key.expiry_look_at = min(_next_look(following, moment.billing), ends_at(key.card_expires))
        uow.keys.save(key)
        uow.commit()


def _next_look(following: Subscription | None, now: datetime) -> datetime:
    tomorrow = now + DAILY
    return tomorrow if following is None else min(tomorrow, max(following.next_period_start, now) + AFTER_CHARGE)


def _warn(uow: UnitOfWork, key: BillingKey, following: Subscription, moment: Moment) -> None:
    at = following.next_period_start.isoformat()
    told: dict[str, str | int | None] = {"card_expires": key.card_expires, "next_charge_at": at}
    told |= {"subscription_id": following.id, "customer": following.customer}
    uow.announce([of_key(EventType.BILLING_KEY_EXPIRING, key, **told)], moment)


def next_charge(uow: UnitOfWork, key_id: str) -> Subscription | None:
    """The subscription that charges this key next, also as a fallback; None if none does."""
    backed = map(uow.subscriptions.get, uow.fallbacks.backed_by(key_id))
    live = [each for each in (*uow.subscriptions.of_key(key_id), *backed) if _renews(each)]
    return min(live, key=lambda each: (each.next_period_start, each.id), default=None)


def _renews(subscription: Subscription) -> bool:
    return subscription.status in RENEWING and not subscription.cancel_at_period_end


def warns(uow: UnitOfWork, key: BillingKey, now: datetime) -> bool:
    """Whether the card of this key expires soon, and its next charge falls after that."""
    if key.card_expires is None or key.status is not KeyStatus.ACTIVE:
        return False
    following = next_charge(uow, key.id)
    return following is not None and expires_soon(key.card_expires, now, following.next_period_start)
