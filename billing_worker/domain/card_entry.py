"""A customer's card data on their way to the gateway: checked, held in memory for one call, and never shown.

PortOne's description gives the forms: `card_number` as dddd-dddd-dddd-dddd, `expiry` as YYYY-MM, `birth` as
YYMMDD or ten digits of a business, and two digits of the password. A code of verification (CVC) is not taken: only
Paymentwall wants one, and its keys come from the payment window.
"""

import calendar
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn, Self
from zoneinfo import ZoneInfo

from billing_worker.domain.card import UNTOLD, CardFacts
from billing_worker.domain.card_numbers import LEAST_DIGITS, MOST_DIGITS
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.payment import Evidence, Failed, Unknown

KOREA = ZoneInfo("Asia/Seoul")

CARD_FIELDS = ("card_number", "expiry", "birth", "pwd_2digit")
"""The parts of a card, by their names at PortOne and at our entrances."""

_NUMBER = re.compile(r"[0-9](?:[ -]?[0-9])*")
_EXPIRY = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])")
_BIRTH = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})")
_BUSINESS = re.compile(r"[0-9]{10}")
_PASSWORD = re.compile(r"[0-9]{2}")
_NO_BIRTH = "000000"
"""PortOne's own word for a card from abroad."""


class Card:
    """One card, for one call.

    Nothing shows it: its text, a copy, a pickle and an error are all without it. Only `reveal` gives it out, to the
    adapter that writes the request.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: dict[str, str]) -> None:
        self._parts = parts

    @classmethod
    def entered(
        cls, card_number: str, expiry: str, *, birth: str | None, pwd_2digit: str | None, real_now: datetime
    ) -> Self:
        """A card as it was entered. Raises InvalidInput with the field and the reason, never with the value.

        No check digit is asked for: no document of PortOne speaks of one, and some cards for Korea only have none.
        """
        parts = {"card_number": _number(card_number), "expiry": _expiry(expiry, real_now)}
        if birth:
            parts["birth"] = _birth(birth)
        if pwd_2digit:
            if not _PASSWORD.fullmatch(pwd_2digit.strip()):
                raise _wrong("pwd_2digit", "must be the first two digits of the card's password, such as 00")
            parts["pwd_2digit"] = pwd_2digit.strip()
        return cls(parts)

    @property
    def given(self) -> frozenset[str]:
        """The names of the fields that were given."""
        return frozenset(self._parts)

    @property
    def expires(self) -> str:
        """The month in which it expires, as YYYY-MM: the one part that may be kept, since the number is not."""
        return self._parts["expiry"]

    def reveal(self) -> dict[str, str]:
        """The parts by PortOne's names. Only for the request that goes to the gateway."""
        return dict(self._parts)

    def __repr__(self) -> str:
        return "Card(…)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a card is neither stored nor copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a card is neither stored nor copied")


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """What one call asks for that stores a card at the gateway. It lives as long as the call, and is never stored."""

    customer_uid: str = field(repr=False)
    pg_provider: str
    card: Card
    channel_key: str | None = None
    """The channel at PortOne, where the merchant has several of one PG."""
    customer_id: str | None = None
    """The customer at the PG: Toss Payments wants one."""
    buyer_name: str | None = field(default=None, repr=False)
    buyer_email: str | None = field(default=None, repr=False)
    buyer_tel: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Issued:
    """The gateway stores the card now."""

    evidence: Evidence
    card: CardFacts = UNTOLD
    """The card as the gateway tells it: no more than may be shown."""


@dataclass(frozen=True, slots=True)
class NotIssued:
    """The gateway or the card company refused the card, definitely. Nothing is stored."""

    reason: str
    evidence: Evidence


IssueAnswer = Issued | NotIssued | Failed | Unknown
"""Failed: the call had no effect, since the card reached no gateway, or it refused to work. Unknown: any other."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The gateway has the key no more."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NotDeleted:
    """The gateway refused to delete the key, and still has it."""

    reason: str
    evidence: Evidence


DeleteAnswer = Deleted | NotDeleted | Failed | Unknown


def _number(value: str) -> str:
    """The number in groups of four, as PortOne's description writes it."""
    text = value.strip(" ")
    digits = re.sub(r"[ -]", "", text)
    if not _NUMBER.fullmatch(text) or not LEAST_DIGITS <= len(digits) <= MOST_DIGITS:
        problem = f"must be {LEAST_DIGITS} to {MOST_DIGITS} digits, with at most single spaces or dashes between them"
        raise _wrong("card_number", problem)
    return "-".join(digits[place : place + 4] for place in range(0, len(digits), 4))


def _expiry(value: str, real_now: datetime) -> str:
    found = _EXPIRY.fullmatch(value.strip())
    if found is None:
        raise _wrong("expiry", "must be the year and the month as YYYY-MM, such as 2031-04")
    today = real_now.astimezone(KOREA)
    if (int(found[1]), int(found[2])) < (today.year, today.month):
        raise _wrong("expiry", "is past: the card has expired")
    return found[0]


def _birth(value: str) -> str:
    text = value.strip()
    if text == _NO_BIRTH or _BUSINESS.fullmatch(text):
        return text
    found = _BIRTH.fullmatch(text)
    # Of both centuries, 2000 has the leap years of 1900 and one more.
    if found is None or not 1 <= int(found[2]) <= 12:  # noqa: PLR2004 - months
        raise _wrong("birth", "must be the holder's birthday as YYMMDD, or the ten digits of a business number")
    if not 1 <= int(found[3]) <= calendar.monthrange(2000 + int(found[1]), int(found[2]))[1]:
        raise _wrong("birth", "is no day of the calendar; give YYMMDD, or the ten digits of a business number")
    return text


def _wrong(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"card.{field}", None, problem)
