"""The month in which a card expires, as far as it is known. PortOne never tells it: the merchant or the card data do.

A card is good to the end of that month, in Seoul.
"""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from billing_worker.domain.errors import InvalidInput

KOREA = ZoneInfo("Asia/Seoul")

WARNS_AHEAD = timedelta(days=30)
"""How long before the end of its month a card is reported, if its next charge falls after that end."""

_MONTH = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])")


def entered_month(value: str) -> str:
    """The month as it is kept. Raises InvalidInput."""
    month = value.strip()
    if not _MONTH.fullmatch(month):
        raise InvalidInput("card_expires", value, "must be the year and the month as YYYY-MM, such as 2031-04")
    return month


def ends_at(month: str) -> datetime:
    """The first moment after this month in Seoul, aware UTC."""
    year, number = int(month[:4]), int(month[5:])
    following = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=KOREA)
    return following.astimezone(UTC)


def last_day(month: str) -> date:
    """The last day of this month."""
    return (ends_at(month) - timedelta(days=1)).astimezone(KOREA).date()


def is_past(month: str | None, now: datetime) -> bool:
    """Whether the card has expired; False for a card whose month is not known."""
    return month is not None and ends_at(month) <= now


def expires_soon(month: str | None, now: datetime, next_charge_at: datetime | None) -> bool:
    """Whether to warn now: the card expires within 30 days, and its next charge falls after that."""
    if month is None or next_charge_at is None:
        return False
    end = ends_at(month)
    return end - WARNS_AHEAD <= now < end <= next_charge_at


def first_look(month: str) -> datetime:
    """When a card with this month is first looked at, to warn ahead."""
    return ends_at(month) - WARNS_AHEAD
