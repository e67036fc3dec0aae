"""What the database keeps about customers and about the past, and how it is emptied."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StillOpen:
    """A record of a customer that is not closed, so that money may still move for it."""

    kind: str
    id: str
    status: str


@dataclass(frozen=True, slots=True)
class Held:
    """The ids of everything that is a customer's."""

    customer: str
    subscriptions: Sequence[str]
    keys: Sequence[str]
    """Billing keys that are this customer's alone."""
    shared_keys: Sequence[str]
    """Billing keys that another customer uses too. They are left as they are."""
    invoices: Sequence[str]
    card_sessions: Sequence[str]

    @property
    def is_empty(self) -> bool:
        """Whether nothing here is this customer's."""
        return not (self.subscriptions or self.invoices or self.card_sessions)


@dataclass(frozen=True, slots=True)
class Blanked:
    """How many records of each kind were emptied."""

    billing_keys: int
    card_sessions: int
    subscriptions: int
    invoices: int
    evidence: int
    notifications: int
    events: int
    answers: int
    notes: int
    """Reasons, consents and remarks that an operator wrote, and what alerts quote."""


class Forgetting(Protocol):
    """Emptying of records; the money, its ids and its times stay."""

    def held(self, customer: str) -> Held:
        """The ids of what is this customer's. Locks the subscriptions, then the keys."""

    def still_open(self, held: Held) -> Sequence[StillOpen]:
        """What of it is not closed."""

    def blank(self, held: Held) -> Blanked:
        """Empty every field of it that may hold a name, an address, a telephone number or a merchant's text."""

    def evidence(self, before: datetime, limit: int) -> int:
        """Empty up to `limit` answers of the gateway from before this moment (real time); returns their number."""

    def alerts(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` alerts that were closed before this moment (billing time); returns their number."""


class ForgettingRecords(Protocol):
    """The emptying of records in a transaction."""

    @property
    def forgetting(self) -> Forgetting:
        """Emptying of records."""
