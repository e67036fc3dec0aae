"""Readers for values that an operator types or a file contains."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from billing_worker.domain.calendar import instant
from billing_worker.domain.errors import InvalidInput

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
EXAMPLE = "2026-03-31T09:00:00+09:00"

EARLIEST, LATEST = 1970, 2199
"""Years. A time beyond them is a mistake, and calendars and time zones end near year 9999."""

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def minor_units(text: str) -> int | str:
    """The number in the text; else the text itself, so that the rule's error can show it."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def whole_number(field: str, text: str) -> int:
    """The number in the text. Raises InvalidInput."""
    number = minor_units(text)
    if isinstance(number, str):
        raise InvalidInput(field, text, "must be a whole number in the smallest unit")
    return number


def words(text: str) -> list[str]:
    """Words separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def whole_days(field: str, text: str) -> list[int]:
    """Numbers separated by commas. Raises InvalidInput."""
    if not text.strip():
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[+-]?[0-9]{1,9}", part) for part in parts):
        raise InvalidInput(field, text, "must be whole days separated by commas, e.g. 1,3,5,7")
    return [int(part) for part in parts]


def object_in(field: str, source: str | Path) -> dict[str, Any]:
    """The JSON object in a text, or in a file. Raises InvalidInput."""
    try:
        found = json.loads(source if isinstance(source, str) else source.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(field, str(source), f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(field, str(source)[:SHOWN], f"is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput(field, str(source)[:SHOWN], 'is an object such as {"steps": ["1d", "3d"]}')
    return found


SHOWN = 100
"""Characters of a wrong text that an error repeats."""


def day_or_moment(field: str, text: str | None, zone: str) -> datetime | None:
    """An instant, or the beginning of a day in a time zone. Raises InvalidInput."""
    if text is not None and _DAY.fullmatch(text):
        try:
            return instant(datetime.fromisoformat(text), zone)
        except (ValueError, OverflowError) as error:
            raise InvalidInput(field, text, "is not a day such as 2026-03-31") from error
    return moment(field, text)


def moment(field: str, text: str | None) -> datetime | None:
    """An instant from ISO 8601 with a zone. Raises InvalidInput."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        instant = parsed.astimezone(UTC) if parsed.tzinfo is not None else None
    except (ValueError, OverflowError) as error:
        raise InvalidInput(field, text, f"is not a time such as {EXAMPLE}") from error
    if instant is None:
        raise InvalidInput(field, text, f"needs a time zone, e.g. {EXAMPLE}")
    if not EARLIEST <= instant.year <= LATEST:
        raise InvalidInput(field, text, f"must lie in the years {EARLIEST} to {LATEST}")
    return instant
