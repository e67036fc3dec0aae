"""What a code book says, and how it is written down here."""

from collections.abc import Mapping
from dataclasses import dataclass

from billing_worker.domain.declines.reasons import ADVICE, Advice, Category

Meaning = tuple[Category, Advice]


@dataclass(frozen=True, slots=True)
class Book:
    """The codes of one PG."""

    source: str
    """Where the PG publishes them."""
    codes: Mapping[str, Meaning]
    """What a code means where the text has no words that a rule knows."""
    firm: Mapping[str, Meaning]
    """What a code means whatever its text says: its words mislead, or say too little."""


def book(source: str, codes: str, firm: str = "") -> Book:
    """A book of lines `category: code code …`; `category advice: code …` where the advice is not the usual one."""
    return Book(source, _read(codes), _read(firm))


def _read(lines: str) -> dict[str, Meaning]:
    found: dict[str, Meaning] = {}
    category, advice = Category.UNKNOWN, Advice.ASK_GATEWAY
    for line in lines.strip().splitlines():
        head, colon, rest = line.partition(":")
        if colon:
            name, _, other = head.strip().partition(" ")
            category = Category(name)
            advice = Advice(other) if other else ADVICE[category]
        for code in (rest if colon else line).split():
            found[code] = (category, advice)
    return found
