"""Values that a person types or a file holds, and no library reads."""

from datetime import UTC, datetime

from billing_worker.domain.errors import InvalidInput

EXAMPLE = "2026-03-31T09:00:00+09:00"


def moment(field: str, text: str | None) -> datetime | None:
    """An instant from ISO 8601 with a zone. Raises InvalidInput."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(field, text, f"is not a time such as {EXAMPLE}") from error
    raise InvalidInput(field, text, f"needs a time zone, e.g. {EXAMPLE}")
