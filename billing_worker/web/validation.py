"""Pydantic's findings on a request, in one line that names the field and never repeats the value."""

import re
from collections.abc import Sequence
from typing import Any

from billing_worker.domain.card_numbers import without_card_numbers

_CARD = {"card", "cardnumber", "cardno", "cardnum", "pan", "cardpassword", "pwd2digit", "birth", "track1", "track2"}
_CODE = {"cvc", "cvv", "cvc2", "cvv2", "cid"}
_EXPIRY = {"expiry", "expirydate", "expiration", "exp", "expmonth", "expyear"}
_CARD_FIELDS = frozenset(_CARD | _CODE | _EXPIRY)
"""The names of the parts of a card at PortOne's card endpoints, and other usual names."""

LONGEST_FIELD = 80

NO_CARD_DATA = (
    "card data must never be sent here: let the customer enter the card at PortOne and register only its customer_uid"
)
NO_CODE = "a card's verification code is not taken here, and no field beside card_number, expiry, birth, pwd_2digit"

_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this request; see /docs",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number, without a fraction",
    "int_parsing": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "model_attributes_type": "must be a JSON object",
    "string_unicode": "is not valid Unicode text",
}


def explained(errors: Sequence[Any]) -> tuple[str | None, str, bool]:
    """The field, its problem, and whether the body could be read at all."""
    for error in errors:
        if error["type"] == "extra_forbidden" and is_card_field(str(error["loc"][-1])):
            return str(error["loc"][-1]), NO_CODE if "card" in error["loc"][:-1] else NO_CARD_DATA, True
    first = errors[0]
    if first["type"] == "json_invalid":
        return None, "the body is not valid JSON", False
    where, *path = first["loc"]
    field = ".".join(str(part) for part in path) or str(where)
    # The name of an unknown field is the sender's: it may be long, or hold what cannot be sent back.
    field = without_card_numbers(field)
    return field.encode("utf-8", "backslashreplace").decode()[:LONGEST_FIELD], _message(first), True


def is_card_field(name: str) -> bool:
    """Whether a field of this name would hold a part of a card."""
    return re.sub(r"[^a-z0-9]", "", name.lower()) in _CARD_FIELDS


def _message(error: Any) -> str:
    known = _MESSAGES.get(error["type"])
    if known is not None:
        return known
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:]
