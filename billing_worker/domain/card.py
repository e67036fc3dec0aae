"""What the gateway tells about a stored card, cut down to what may be shown."""

import re
from dataclasses import dataclass
from enum import StrEnum

from billing_worker.domain.errors import InvalidInput

MOST_DIGITS = 4
"""No more of a card number is kept anywhere."""

LONGEST_CARD_NAME = 40
LONGEST_CARD_CODE = 16

_LAST_DIGITS = re.compile(rf"[0-9]{{1,{MOST_DIGITS}}}\Z")
_CODE = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_CARD_CODE}}}")


class CardKind(StrEnum):
    """How a card pays."""

    CREDIT = "credit"
    CHECK = "check"
    """A debit card: Korean 체크카드."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """A card as its holder recognises it; each fact is None where the gateway does not tell it."""

    issuer: str | None = None
    """The company that issued it, or else its brand, in the gateway's words."""
    code: str | None = None
    """The code of that company: KFTC's three digits at PortOne."""
    last_digits: str | None = None
    """At most four."""
    kind: CardKind | None = None

    def __post_init__(self) -> None:
        if self.last_digits is not None and not _LAST_DIGITS.fullmatch(self.last_digits):
            raise InvalidInput("last_digits", "…", f"are 1 to {MOST_DIGITS} digits; no more of a card may be kept")
        if self.code is not None and not _CODE.fullmatch(self.code):
            raise InvalidInput("card_code", "…", "is no code of a card company")
        if self.issuer is not None and not 0 < len(self.issuer) <= LONGEST_CARD_NAME:
            raise InvalidInput("card_issuer", "…", f"must have 1 to {LONGEST_CARD_NAME} characters")


UNTOLD = CardFacts()
"""A card of which nothing is told."""


def last_digits(masked_number: str) -> str | None:
    """The last digits that a masked card number shows, at most four; None where it ends with a mask.

    A PG that masks nothing gives no more away: the rest is dropped here.
    """
    found = _LAST_DIGITS.search(masked_number.strip())
    return found[0] if found is not None else None


def is_code(text: str) -> bool:
    """Whether this is a code of a card company as they are kept here."""
    return _CODE.fullmatch(text) is not None
