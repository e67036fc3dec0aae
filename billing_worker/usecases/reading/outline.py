"""What `why` tells before it is put into words."""

from collections.abc import Collection
from dataclasses import dataclass, field

from billing_worker.domain.alerts import WayOut
from billing_worker.ports.alerts import Alert
from billing_worker.texts.words import Words

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Outline:
    """An explanation whose alerts and ways out are not in words yet."""

    subject: str
    answer: str
    history: list[str]
    next: str
    ways_out: list[WayOut]
    alerts: list[Alert]
    """The open alerts about it."""
    actions: list[str]
    notices: list[str] = field(default_factory=list)
    """What the customer heard."""


def outline_of_many(subject: str, told: dict[str, Outline], live: Collection[str], words: Words) -> Outline:
    """One outline of several, the newest of which come first; only the live ones go on."""
    commands = ", ".join(f"why {ident}" for ident in list(told)[:MOST_NAMED])
    described = list(reversed(told.values()))
    return Outline(
        subject,
        words.say("why.customer.see", commands=commands),
        [f"{each.subject}. {each.answer}" for each in described],
        " ".join(f"{ident}: {told[ident].next}" for ident in reversed(told) if ident in live)
        or words.say("why.customer.ended"),
        [way for each in described for way in each.ways_out],
        [alert for each in described for alert in each.alerts],
        list(dict.fromkeys(line for each in described for line in each.actions)),
        [line for each in described for line in each.notices],
    )
