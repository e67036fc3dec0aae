"""What a decline is about, and what helps: the words that every entrance shows."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class DeclineKind(StrEnum):
    """Whether a retry after a decline can succeed."""

    SOFT = "soft"
    """The key may be charged again: limit, balance, an outage, the merchant's settings."""
    HARD = "hard"
    """Will not work again on this key: lost, expired, key gone."""


class Category(StrEnum):
    """What a decline is about."""

    LIMIT = "limit"
    """A limit of the card, by amount or count."""
    BALANCE = "balance"
    """Not enough money on the account."""
    EXPIRED = "expired"
    """The card is past its date."""
    LOST_OR_STOLEN = "lost_or_stolen"
    """The card was reported lost or stolen."""
    STOPPED_BY_HOLDER = "stopped_by_holder"
    """The card was stopped, closed, replaced, or never taken into use."""
    KEY_GONE = "key_gone"
    """The gateway or the PG has no such billing key."""
    FRAUD = "fraud"
    """The card or the charge is suspected of fraud."""
    WRONG_CARD_DATA = "wrong_card_data"
    """Number, date, password or birth date are wrong, or no card of this kind is taken."""
    MAINTENANCE = "maintenance"
    """A planned break at the card company, bank or PG."""
    COMMUNICATION = "communication"
    """A failure of a line or a system between the merchant and the card company."""
    DUPLICATE = "duplicate"
    """The PG already has this order or payment, or says that it is done."""
    MERCHANT_CONFIGURATION = "merchant_configuration"
    """The request, or the merchant's settings at the PG, do not fit."""
    MERCHANT_CONTRACT = "merchant_contract"
    """The merchant's contract with the PG or the card company does not cover the charge."""
    ISSUER_REFUSED = "issuer_refused"
    """The card company refuses, and says no more."""
    UNKNOWN = "unknown"
    """No rule knows the text."""


class Advice(StrEnum):
    """What helps after a decline."""

    RETRY_SOON = "retry_soon"
    """Charge again within minutes or hours."""
    BETTER_DAY = "better_day"
    """Charge again on another day."""
    ANOTHER_CARD = "another_card"
    """Only another card helps: this key is not charged again."""
    FIX_CONFIGURATION = "fix_configuration"
    """The merchant must change something first; the customer's key is good."""
    ASK_GATEWAY = "ask_gateway"
    """Only the gateway or the PG can say: look there, or ask."""


ADVICE: Mapping[Category, Advice] = {
    Category.LIMIT: Advice.BETTER_DAY,
    Category.BALANCE: Advice.BETTER_DAY,
    Category.EXPIRED: Advice.ANOTHER_CARD,
    Category.LOST_OR_STOLEN: Advice.ANOTHER_CARD,
    Category.STOPPED_BY_HOLDER: Advice.ANOTHER_CARD,
    Category.KEY_GONE: Advice.ANOTHER_CARD,
    Category.FRAUD: Advice.ANOTHER_CARD,
    Category.WRONG_CARD_DATA: Advice.ANOTHER_CARD,
    Category.MAINTENANCE: Advice.RETRY_SOON,
    Category.COMMUNICATION: Advice.RETRY_SOON,
    Category.DUPLICATE: Advice.ASK_GATEWAY,
    Category.MERCHANT_CONFIGURATION: Advice.FIX_CONFIGURATION,
    Category.MERCHANT_CONTRACT: Advice.FIX_CONFIGURATION,
    Category.ISSUER_REFUSED: Advice.BETTER_DAY,
    Category.UNKNOWN: Advice.ASK_GATEWAY,
}
"""The advice of each category, unless a rule says another one."""


class Decline(NamedTuple):
    """One decline, understood. A tuple, because it is made for each new text."""

    category: Category
    advice: Advice
    code: str | None
    """The PG's code, as the text shows it."""
    source: str
    """The rule that decided: `wording: …`, or the PG's code book."""

    @property
    def kind(self) -> DeclineKind:
        """Whether the key may be charged again after it."""
        return DeclineKind.HARD if self.advice is Advice.ANOTHER_CARD else DeclineKind.SOFT


def key_gone(source: str) -> Decline:
    """The decline of a key that its `source` does not know."""
    return Decline(Category.KEY_GONE, ADVICE[Category.KEY_GONE], None, source)
