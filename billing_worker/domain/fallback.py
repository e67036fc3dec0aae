"""Fallback keys: the further cards of a subscription, which a customer agreed to have charged, in an order.

One is charged where the main card cannot be: after a decline for good, in place of a dead card or of one past its
month, and when the dunning policy ends. Each is charged once for an invoice, unless dunning goes on with it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.card import MOST_DIGITS, CardFacts
from billing_worker.domain.card_expiry import is_past
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.invoice import AttemptStatus, Invoice, PaymentAttempt
from billing_worker.domain.text import require_printable

MOST_FALLBACKS = 4
"""Cards beside the main one: card networks count the tries of one debt, also over several cards of one customer."""

LONGEST_CONSENT = 500


class FallbackEnd(StrEnum):
    """Why a fallback key is none any more. Its consent is kept."""

    REMOVED = "removed"
    """It was taken out at a request."""
    MAIN = "main"
    """It became the main card."""


@dataclass(slots=True)
class FallbackKey:
    """A further key of a subscription, with the customer's consent to charge it."""

    id: str
    subscription_id: str
    billing_key_id: str
    position: int
    """Its place in the order, from 1; a place is used once."""
    consented_at: datetime
    """When the customer agreed, aware UTC."""
    consent: str
    """What the customer agreed to: the text, or a reference to it."""
    added_by: str
    """The actor who recorded it."""
    added_at: datetime
    """Billing time."""
    ended_because: FallbackEnd | None = None
    ended_at: datetime | None = None
    """Billing time."""

    def __post_init__(self) -> None:
        require_printable("consent", self.consent, LONGEST_CONSENT)
        if self.consented_at.tzinfo is None:
            raise InvalidInput("consented_at", self.consented_at.isoformat(), "needs a time zone, such as +09:00")

    def end(self, because: FallbackEnd, now: datetime) -> None:
        """It is not charged from now on."""
        self.ended_because, self.ended_at = because, now


@dataclass(frozen=True, slots=True)
class Fallback:
    """A fallback key that is in use, and the key itself."""

    agreed: FallbackKey
    key: BillingKey


@dataclass(frozen=True, slots=True)
class Cards:
    """The keys of a subscription: the main one, and the fallbacks in their order."""

    main: BillingKey
    fallbacks: Sequence[Fallback] = ()

    def next_key(self, tried: Collection[str], now: datetime) -> BillingKey | None:
        """The next key to charge an invoice on, by the keys that were tried for it; None if none is left.

        The fallbacks come in their order, then the main card, if it was passed over. Those past their month come last:
        their issuer may have renewed them.
        """
        others = [each.key for each in self.fallbacks] + [self.main]
        usable = [key for key in others if key.status is KeyStatus.ACTIVE and key.id not in tried]
        return min(usable, key=lambda key: is_past(key.card_expires, now), default=None)

    def first_choice(self, present: BillingKey, tried: Collection[str], now: datetime) -> BillingKey:
        """The key to charge now in place of a dead one, or of one past its month; else the present one."""
        is_dead = present.status in (KeyStatus.INVALID, KeyStatus.DELETED)
        if not is_dead and not is_past(present.card_expires, now):
            return present
        other = self.next_key({*tried, present.id}, now)
        if other is None or (not is_dead and is_past(other.card_expires, now)):
            return present
        return other

    def fallback_on(self, key_id: str) -> FallbackKey | None:
        """What was agreed about this key; None if it is no fallback."""
        return next((each.agreed for each in self.fallbacks if each.key.id == key_id), None)


def charge_another(cards: Cards | None, invoice: Invoice, attempts: Sequence[PaymentAttempt], now: datetime) -> bool:
    """Charge the invoice on another of these cards now, because the tries on its card have ended.

    False if none is left: the invoice is the main card's again, and ends, or waits for another card, as without any.
    """
    if cards is None:
        return False
    declined = {each.billing_key_id for each in attempts if each.status is AttemptStatus.DECLINED}
    other = cards.next_key(declined, now)
    if other is None:
        invoice.billing_key_id = cards.main.id
        return False
    invoice.go_on_at_once(other.id, now)
    return True


def same_card(one: CardFacts, other: CardFacts) -> bool:
    """Whether two keys show one card, by all that is kept: the company's code and the last four digits.

    False where either is not told: then nothing can be said. Two cards of one company have the same four digits in one
    of ten thousand cases, so only the cards of one customer are compared.
    """
    if one.code is None or one.last_digits is None or len(one.last_digits) < MOST_DIGITS:
        return False
    return (one.code, one.last_digits) == (other.code, other.last_digits)
