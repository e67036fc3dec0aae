"""The result of an audit: the promises that were checked, the number of rows, and the breaches."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from billing_worker.domain.alerts import Facts

STOPPING = frozenset({"I1", "I2", "I5", "I6", "I10", "I13"})
"""A breach of these invariants in our own database means that money may be wrong or secrets are out. No clerk at the
gateway's console can cause one. The cause is this program or a manual change in its database, and it may affect every
customer."""


class Reach(StrEnum):
    """What one breach stops."""

    ALL = "all"
    """All charging: the breach may affect every customer."""
    ONE = "one"
    """One subscription: a payment at the gateway is wrong. If many are wrong, all charging."""
    NOTHING = "nothing"
    """No charge: the breach opens an alert only."""


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
"""The first digits of cards of each length, as their schemes issue them (ISO/IEC 7812; Korean domestic cards begin with
9). Order numbers often contain the time, in milliseconds or as a date: 1763700000005 and 20261121190007 are not
cards."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken promise."""

    subject: str
    """The id of the row, or of the payment."""
    detail: str
    owner: str | None = None
    """The subscription, or single payment, whose charging stops, if the breach stops only one."""
    facts: Facts | None = None
    """The facts of the alert about this breach."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of one invariant."""

    invariant: str
    what: str
    """What was checked, in a few words."""
    rows: int
    breaches: tuple[Breach, ...]
    accepted: int = 0
    """The number of further breaches that an operator has accepted by clearing their stop."""
    reach: Reach = Reach.NOTHING
    standing: bool = False
    """Whether the check covers the whole present state, not only recent changes."""
    told: bool = False
    """Whether each breach has an alert of its own."""

    @property
    def stopping(self) -> bool:
        """Whether a breach stops anything."""
        return self.reach is not Reach.NOTHING

    def name_of(self, breach: Breach) -> str:
        """The name under which a stop records this breach."""
        return f"{self.invariant} {breach.subject}"


def exposes(text: str, secrets: Collection[str]) -> str | None:
    """The forbidden content of a text: a card number or one of our own secrets. None when the text is clean."""
    if any(secret in text for secret in secrets if len(secret) >= SHORTEST_SECRET):
        return "one of the configured secrets"
    for found in _DIGITS.finditer(text):
        if _is_card(re.sub(r"\D", "", found[0])):
            return CARD
    return None


def _is_card(digits: str) -> bool:
    """Whether the digits pass Luhn's check, are not one repeated digit, and begin as cards of this length do."""
    if len(set(digits)) == 1 or not digits.startswith(_ISSUED[len(digits)]):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0  # noqa: PLR2004 - its two digits added
