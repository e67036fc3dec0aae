"""What an audit found: which promises were checked, on how many rows, and where one is broken."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from billing_worker.domain.alerts import Facts

STOPPING = frozenset({"I1", "I2", "I5", "I6", "I10", "I13"})
"""Invariants whose breach, seen in our own database, means that money may be wrong or secrets are out. Nobody at the
gateway's console can cause one: it is this program, or a hand in its database, and may concern everybody."""


class Reach(StrEnum):
    """What one breach stops."""

    ALL = "all"
    """All charging: what may concern everybody."""
    ONE = "one"
    """One subscription: a payment at the gateway is not as it must be. Where many are not, all charging."""
    NOTHING = "nothing"
    """It is an alert."""


SHORTEST_SECRET = 8
"""A shorter one cannot be told from ordinary text."""

CARD = "a number like that of a card"

_DIGITS = re.compile(r"(?<!\d)(?<!\d[ -])\d(?:[ -]?\d){12,18}(?![ -]?\d)")

_ISSUED = {
    13: ("4", "5", "6"),
    14: ("3", "5", "6"),
    15: ("3", "5", "6", "1800", "2131"),
    16: ("3", "4", "5", "6", "7", "8", "9", "22", "23", "24", "25", "26", "27"),
    17: ("5", "6"),
    18: ("5", "6"),
    19: ("3", "4", "5", "6"),
}
"""How cards of each length begin, by what their schemes give out (ISO/IEC 7812; those of Korea alone begin with 9).
Order numbers are often made of the time, in milliseconds or as a date: 1763700000005 and 20261121190007 are none."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that must not be."""

    subject: str
    """The id of the row, or of the payment."""
    detail: str
    subscription: str | None = None
    """Whose charging stops, where that is what it stops."""
    facts: Facts | None = None
    """What an alert of its own says about it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of one invariant."""

    invariant: str
    what: str
    """What was looked at, in a few words."""
    rows: int
    breaches: tuple[Breach, ...]
    accepted: int = 0
    """Breaches beside these, which an operator looked at and accepted by clearing their stop."""
    reach: Reach = Reach.NOTHING
    standing: bool = False
    """Whether it looks at everything that is so now, and not only at what changed lately."""
    told: bool = False
    """Whether each breach has an alert of its own."""

    @property
    def stopping(self) -> bool:
        """Whether a breach stops anything."""
        return self.reach is not Reach.NOTHING

    def name_of(self, breach: Breach) -> str:
        """How a stop remembers it."""
        return f"{self.invariant} {breach.subject}"


def exposes(text: str, secrets: Collection[str]) -> str | None:
    """What a text shows that nobody may store: a card number, or one of our own secrets. None when it is clean."""
    if any(secret in text for secret in secrets if len(secret) >= SHORTEST_SECRET):
        return "one of the configured secrets"
    for found in _DIGITS.finditer(text):
        if _is_card(re.sub(r"\D", "", found[0])):
            return CARD
    return None


def _is_card(digits: str) -> bool:
    """Luhn's check, which every card number passes; and no card consists of one digit, or begins as none does."""
    if len(set(digits)) == 1 or not digits.startswith(_ISSUED[len(digits)]):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0  # noqa: PLR2004 - its two digits added
