"""The other cards of a subscription, where an outcome or a due invoice may need them; and a new main card."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.events import EventType, of_subscription
from billing_worker.domain.fallback import Cards, FallbackEnd
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Approved, Declined, Outcome
from billing_worker.domain.settlement import Settlement
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note

DUNNING = "dunning"
"""The actor of a change of the card that the worker makes by itself."""


def cards_of(uow: UnitOfWork, subscriptions: Iterable[Subscription]) -> Mapping[str, Cards]:
    """The cards of those of these subscriptions that have a fallback key, by their ids."""
    owners = {each.id: each for each in subscriptions}
    found = uow.fallbacks.in_use(list(owners)) if owners else {}
    return {ident: Cards(uow.keys.get(owners[ident].billing_key_id), each) for ident, each in found.items()}


def attach_cards(uow: UnitOfWork, known: Sequence[tuple[Settlement, Outcome]]) -> None:
    """Give each settlement the cards of its subscription, if its outcome may need them."""
    concerned = [
        (settlement, settlement.subscription)
        for settlement, outcome in known
        if settlement.subscription is not None and _may_need(settlement, settlement.subscription, outcome)
    ]
    cards = cards_of(uow, [subscription for _, subscription in concerned])
    for settlement, subscription in concerned:
        settlement.cards = cards.get(subscription.id)


def _may_need(settlement: Settlement, subscription: Subscription, outcome: Outcome) -> bool:
    """After a decline another card may follow; after a payment on another card that one may become the main one."""
    is_other = settlement.attempt.billing_key_id != subscription.billing_key_id
    return isinstance(outcome, Declined) or (isinstance(outcome, Approved) and is_other)


def promote(ports: Ports, uow: UnitOfWork, settlement: Settlement, moment: Moment) -> None:
    """Make a fallback key, which has just paid, the main card of its subscription, if the main card is dead.

    The caller saves the settlement.
    """
    cards, subscription, attempt = settlement.cards, settlement.subscription, settlement.attempt
    if cards is None or subscription is None or settlement.is_canceled or attempt.surplus:
        return
    agreed = cards.fallback_on(attempt.billing_key_id)
    if agreed is None or cards.main.status not in (KeyStatus.INVALID, KeyStatus.DELETED):
        return
    before, subscription.billing_key_id = subscription.billing_key_id, attempt.billing_key_id
    agreed.end(FallbackEnd.MAIN, moment.billing)
    uow.fallbacks.save(agreed)
    changed = {"previous_billing_key_id": before, "reason": f"it paid, and the key before it is {cards.main.status}"}
    kind = EventType.SUBSCRIPTION_KEY_CHANGED
    settlement.events.append(of_subscription(kind, subscription, **changed))
    detail = f"charged on {attempt.billing_key_id}, which paid; {before} is {cards.main.status}"
    note(replace(ports, actor=DUNNING), uow, Verb.KEY_REPLACED, subscription.id, detail, at=moment.real)
