"""Read a PortOne webhook: a body of two to four short fields, which is only a hint.

It has no signature. So its fields must first pass a strict grammar, and its claim is only a reason to read the gateway.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from billing_worker.domain.text import misplaced, named
from billing_worker.web.errors import ErrorType, Refused

MOST_FIELDS = 32
"""PortOne sends four; a sender of hundreds only wants to keep the receiver busy."""

_GRAMMAR = {
    "imp_uid": (r"[A-Za-z0-9_-]{1,64}", "must be 1 to 64 letters, digits, _ or -"),
    "merchant_uid": (
        # Dots alone name a folder, and no escaping makes them an id.
        r"(?!\.{1,2}$)[\x21-\x2e\x30-\x7e]{1,64}",
        "must be 1 to 64 visible ASCII characters without /, and not dots alone",
    ),
    "status": (r"[a-z_]{1,20}", "must be 1 to 20 lower-case letters"),
    "cancellation_id": (r"[A-Za-z0-9_-]{1,64}", "must be 1 to 64 letters, digits, _ or -"),
}
_NEEDED = ("imp_uid", "merchant_uid")
_MAY_BE_EMPTY = "cancellation_id"
"""PortOne's two guides differ: one adds a `status`, the other has only these. They are enough to read the gateway."""

FIELDS: dict[str, Any] = {
    "type": "object",
    "title": "Webhook",
    "description": "PortOne's webhook. Other fields are ignored.",
    "properties": {name: {"type": "string", "pattern": f"^{grammar}$"} for name, (grammar, _) in _GRAMMAR.items()}
    | {_MAY_BE_EMPTY: {"type": "string", "pattern": f"^({_GRAMMAR[_MAY_BE_EMPTY][0]})?$", "nullable": True}},
    "required": list(_NEEDED),
}
"""The grammar for the API's description."""


@dataclass(frozen=True, slots=True)
class Hint:
    """The claim of a webhook."""

    fields: dict[str, str]

    @property
    def dedupe_key(self) -> str:
        """Equal for a repeated delivery. No field can forge the separator: the number of fields is fixed.

        The merchant_uid is part of it. Otherwise a forged hint with another merchant_uid would make the true one, which
        comes later, look like a repetition.
        """
        names = ("imp_uid", "status", "cancellation_id", "merchant_uid")
        return "|".join(self.fields.get(name, "") for name in names)


def hint_in(content_type: str, body: bytes) -> Hint:
    """The hint in a body of this type. Raises Refused, which names the wrong field."""
    header = Message()
    header["content-type"] = content_type
    kind = header.get_content_type()
    if kind == "application/json":
        return Hint(_checked(_json_pairs(body)))
    if kind == "application/x-www-form-urlencoded":
        return Hint(_checked(_form_pairs(body)))
    text = "send application/json or application/x-www-form-urlencoded"
    raise Refused(415, ErrorType.UNSUPPORTED_MEDIA_TYPE, text)


class _Pairs(list[tuple[str, Any]]):
    """Distinguishes an object from a list."""


def _json_pairs(body: bytes) -> list[tuple[str, Any]]:
    try:
        found = json.loads(body.decode(), object_pairs_hook=_Pairs, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:  # also for numbers with thousands of digits, and for bad UTF-8
        raise Refused(400, ErrorType.MALFORMED, "the body is not valid JSON") from error
    if not isinstance(found, _Pairs):
        raise Refused(400, ErrorType.MALFORMED, "the body must be a JSON object")
    return found


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _form_pairs(body: bytes) -> list[tuple[str, Any]]:
    try:
        return list(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        )
    except ValueError as error:
        raise Refused(400, ErrorType.MALFORMED, "the body is not a valid form") from error


def _checked(pairs: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """The known fields, each checked by its grammar. Unknown fields are ignored."""
    sent: dict[str, Any] = {}
    for name, value in pairs:
        if name in _GRAMMAR:
            if name in sent:
                raise Refused(400, ErrorType.INVALID_INPUT, "is given twice", name)
            sent[name] = value
    if sent.get(_MAY_BE_EMPTY) in (None, ""):
        sent.pop(_MAY_BE_EMPTY, None)
    for name, (grammar, problem) in _GRAMMAR.items():
        if name not in sent and name in _NEEDED:
            raise Refused(400, ErrorType.INVALID_INPUT, "is missing", name)
        if name in sent and (not isinstance(sent[name], str) or not re.fullmatch(grammar, sent[name])):
            raise Refused(400, ErrorType.INVALID_INPUT, _where(problem, sent[name]), name)
    return sent


def _where(problem: str, value: object) -> str:
    """The problem, with the place of an invisible character. It does not repeat the sender's text."""
    place = misplaced(value) if isinstance(value, str) else None
    return problem if place is None else f"{problem}; it has {named(str(value), place)}"
