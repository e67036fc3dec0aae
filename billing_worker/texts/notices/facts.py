"""The facts of a notice as a reader of a language writes them: sums, days and cards."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from billing_worker.domain.calendar import DEFAULT_ZONE
from billing_worker.domain.language import Language
from billing_worker.domain.money import EXPONENTS
from billing_worker.ports.notices import Facts

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

DAYS = {
    "charge_at": "charge_day",
    "next_attempt_at": "next_day",
    "given_up_at": "given_up_day",
    "period_start": "period_first_day",
    "period_end": "period_end_day",
    "card_expires_on": "card_expiry_day",
}
"""Times among the facts, and the name under which a template finds the day. An unknown time is an unknown day."""


def in_words(facts: Facts, language: Language) -> dict[str, Any]:
    """All facts, and beside them `price`, `card`, and the days in the plan's time zone."""
    zone = ZoneInfo(str(facts["timezone"] or DEFAULT_ZONE))
    words: dict[str, Any] = dict(facts)
    words["price"] = _price(int(facts["amount"] or 0), str(facts["currency"]), language)
    words["card"] = _card(facts, language)
    for name, written in DAYS.items():
        value = facts[name]
        words[written] = None if value is None else _day(str(value), zone, language)
    return words


def _price(amount: int, currency: str, language: Language) -> str:
    digits = EXPONENTS.get(currency, 0)
    number = f"{amount / 10**digits:,.{digits}f}" if digits else f"{amount:,}"
    if language is Language.KO and currency == "KRW":
        return f"{number}원"
    return f"{currency} {number}"


def _day(text: str, zone: ZoneInfo, language: Language) -> str:
    day = datetime.fromisoformat(text).astimezone(zone).date() if "T" in text else date.fromisoformat(text)
    if language is Language.KO:
        return f"{day.year}년 {day.month}월 {day.day}일"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _card(facts: Facts, language: Language) -> str | None:
    """The card as its holder recognises it; None if nothing is known of it."""
    issuer, digits = facts["card_issuer"], facts["card_last_digits"]
    if digits is None:
        return None if issuer is None else str(issuer)
    ending = f"끝번호 {digits}" if language is Language.KO else f"ending {digits}"
    if issuer is None:
        return ending
    return f"{issuer}, {ending}" if language is Language.KO else f"{issuer} {ending}"
