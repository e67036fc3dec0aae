"""A card from a terminal or from standard input: never from arguments, which every user of the machine can read."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime

import typer

from billing_worker.domain.card_entry import CARD_FIELDS, Card
from billing_worker.domain.errors import InvalidInput

MOST_CHARACTERS = 4096
"""Of the JSON object on standard input; a card has about 100."""

ASKED = {
    "card_number": "Card number (hidden)",
    "expiry": "Expiry, YYYY-MM (hidden)",
    "birth": "Birthday as YYMMDD, or ten digits of a business; empty if the PG needs none (hidden)",
    "pwd_2digit": "First two digits of the card's password; empty if the PG needs none (hidden)",
}


def read_card(*, from_stdin: bool, real_now: datetime) -> Card:
    """The card. Raises InvalidInput, without any value, for a wrong one, and without a terminal to ask at."""
    parts = _piped() if from_stdin else _asked()
    return Card.entered(
        parts.get("card_number") or "",
        parts.get("expiry") or "",
        birth=parts.get("birth"),
        pwd_2digit=parts.get("pwd_2digit"),
        real_now=real_now,
    )


def _asked() -> Mapping[str, str]:
    if not sys.stdin.isatty():
        problem = "is asked for at a terminal, and there is none; give one JSON object with --card-from-stdin"
        raise InvalidInput("card", None, problem)
    return {
        name: typer.prompt(text, hide_input=True, default="", show_default=False, err=True)
        for name, text in ASKED.items()
    }


def _piped() -> Mapping[str, str]:
    form = "must be one JSON object of texts on standard input: " + ", ".join(CARD_FIELDS)
    text = sys.stdin.read(MOST_CHARACTERS + 1)
    try:
        found = json.loads(text) if len(text) <= MOST_CHARACTERS else None
    except (ValueError, RecursionError):
        raise InvalidInput("card", None, form) from None
    if not isinstance(found, dict) or not all(isinstance(value, str | None) for value in found.values()):
        raise InvalidInput("card", None, form)
    if not found.keys() <= set(CARD_FIELDS):
        raise InvalidInput("card", None, f"has a field that is not taken; {form}")
    return found
