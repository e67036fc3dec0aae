"""The fallback keys of a subscription: added with the customer's consent, and taken out again."""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import TypeVar

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import BillingKey, IssueUse, KeyStatus
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.fallback import LONGEST_CONSENT, MOST_FALLBACKS, Cards, FallbackEnd, FallbackKey, same_card
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.pgs.rules import require_money, require_options
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.own import refuse_key_of_another
from billing_worker.usecases.key.reactivate import charge_instead

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewFallback:
    """A further card of a subscription, with the customer's consent; `add_fallback` checks it."""

    subscription_id: str
    billing_key_id: str
    _: KW_ONLY
    consented_at: datetime | None
    """When the customer agreed, aware."""
    consent: str | None
    """What the customer agreed to: the text, or a reference to it."""
    allow_same_card: bool = False
    """Two cards of one company may have the same last four digits."""


def add_fallback(ports: Ports, wanted: NewFallback) -> FallbackKey:
    """Add a key to the end of the order. A repeat returns the first one's record.

    An invoice that waits for another card is charged on it at once. Raises NotFound, InvalidInput, also without a
    consent, or Conflict: for a key that cannot be charged, is another customer's, or is a card that it has already.
    """
    consent = entered("consent", _given("consent", wanted.consent), LONGEST_CONSENT)
    consented_at = _given("consented_at", wanted.consented_at)
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(wanted.subscription_id)
        try:
            key = uow.keys.lock(wanted.billing_key_id)
        except NotFound as error:
            raise InvalidInput("billing_key_id", wanted.billing_key_id, "there is no such billing key") from error
        moment = ports.clock.moment()
        ever = uow.fallbacks.of_subscription(subscription.id)
        made = FallbackKey(
            id=ports.ids.new("fbk"),
            subscription_id=subscription.id,
            billing_key_id=key.id,
            position=max((each.position for each in ever), default=0) + 1,
            consented_at=consented_at,
            consent=consent,
            added_by=ports.actor,
            added_at=moment.billing,
        )
        if consented_at > moment.billing:
            raise InvalidInput("consented_at", consented_at.isoformat(), "is in the future")
        known = next((each for each in ever if each.billing_key_id == key.id and each.ended_at is None), None)
        if known is not None:
            return _repeated(known, made)
        cards = Cards(
            uow.keys.get(subscription.billing_key_id), uow.fallbacks.in_use([subscription.id]).get(subscription.id, ())
        )
        _refuse_unfit(uow, subscription, key, cards, allow_same_card=wanted.allow_same_card)
        uow.fallbacks.add(made)
        charge_instead(uow, subscription.id, key.id, moment.billing)
        note(ports, uow, Verb.FALLBACK_ADDED, subscription.id, f"{key.id}, place {made.position}", at=moment.real)
        uow.commit()
    return made


def remove_fallback(ports: Ports, subscription_id: str, billing_key_id: str) -> FallbackKey:
    """Take a key out of the order: it is not charged for this subscription from now on. A repeat changes nothing.

    A charge under way keeps its key. Raises NotFound for a key that never was a fallback of this subscription.
    """
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        moment = ports.clock.moment()
        ever = [
            each for each in uow.fallbacks.of_subscription(subscription_id) if each.billing_key_id == billing_key_id
        ]
        if not ever:
            raise NotFound("fallback key", billing_key_id)
        if ever[-1].ended_at is not None:
            return ever[-1]
        end_fallback(uow, subscription, ever[-1], FallbackEnd.REMOVED, moment)
        note(ports, uow, Verb.FALLBACK_REMOVED, subscription_id, billing_key_id, at=moment.real)
        uow.commit()
    return ever[-1]


def end_fallback(
    uow: UnitOfWork, subscription: Subscription, fallback: FallbackKey, because: FallbackEnd, moment: Moment
) -> None:
    """End a fallback key, within the caller's transaction; its unpaid invoices are the main card's again."""
    fallback.end(because, moment.billing)
    uow.fallbacks.save(fallback)
    for invoice in uow.invoices.of_subscription(subscription.id):
        if invoice.status is InvoiceStatus.OPEN and invoice.billing_key_id == fallback.billing_key_id:
            invoice.billing_key_id = subscription.billing_key_id
            uow.invoices.save(invoice)


def _given(field: str, value: T | None) -> T:
    if value is None:
        raise InvalidInput(field, None, "is needed: no further card is charged without the customer's consent")
    return value


def _repeated(known: FallbackKey, wanted: FallbackKey) -> FallbackKey:
    if (known.consent, known.consented_at) == (wanted.consent, wanted.consented_at):
        return known
    problem = f"billing key {known.billing_key_id} is a fallback of it already, with another consent"
    raise Conflict(f"{problem}; remove it first", field="billing_key_id", existing_id=known.id)


def _refuse_unfit(
    uow: UnitOfWork, subscription: Subscription, key: BillingKey, cards: Cards, *, allow_same_card: bool
) -> None:
    field = "billing_key_id"
    if subscription.status is SubscriptionStatus.CANCELED:
        raise Conflict(f"subscription {subscription.id} is canceled", field="subscription_id")
    if key.id == cards.main.id:
        raise Conflict(f"billing key {key.id} is the main card of it already", field=field)
    if key.status is not KeyStatus.ACTIVE:
        raise Conflict(f"billing key {key.id} is {key.status}: only an active one may be a fallback", field=field)
    if len(cards.fallbacks) >= MOST_FALLBACKS:
        raise Conflict(f"it has {MOST_FALLBACKS} fallback keys already; remove one first", field=field)
    if key.issue_claim in (IssueUse.OPEN, IssueUse.CHOSEN):
        problem = f"what the payment that issued billing key {key.id} pays is not decided"
        raise Conflict(f"{problem}; decide that first, perhaps that it counts for none", field=field)
    plan = uow.plans.get(subscription.plan_id)
    require_money(key.pg_provider, plan.money, field)
    require_options(key.pg_provider, plan.options, plan.money, field)
    refuse_key_of_another(uow, key.id, subscription.customer)
    for other in () if allow_same_card else (cards.main, *(each.key for each in cards.fallbacks)):
        if same_card(key.card, other.card):
            problem = f"billing keys {key.id} and {other.id} show one card: its company and its last four digits"
            raise Conflict(f"{problem}; say allow_same_card if they are two cards", field=field)
