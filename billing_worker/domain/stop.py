"""A stop: no new charge begins where it applies, until an operator clears it.

A stop never ends by itself and never by time. It holds charges only: periods are opened, outcomes are read, refunds
are made and notifications are applied as always.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.text import entered

ALL = "all"
PG = "pg:"
SUBSCRIPTION = "subscription:"

LONGEST_REASON = 500

_SCOPE = re.compile(r"all|pg:[a-z0-9_]{1,40}|subscription:[A-Za-z0-9_]{1,40}")


class StopCause(StrEnum):
    """Why it stands still."""

    PERSON = "person"
    """Somebody said so."""
    BREACH = "breach"
    """An invariant that must never break was found broken."""
    BUDGET = "budget"
    """A charge would have gone beyond what the settings allow."""
    ISSUE = "issue"
    """What the payment that issued a key pays for must be said by an operator."""
    ENVIRONMENT = "environment"
    """This database, with these credentials, was not claimed: a restored backup, a copy, or another account."""


@dataclass(slots=True)
class Stop:
    """No new charge in `scope`: `all`, `pg:NAME` or `subscription:ID`. Times are billing time."""

    id: int
    scope: str
    cause: StopCause
    reason: str
    subjects: list[str]
    """What it is about: the breaches found, or the invoices that were held. Clearing accepts exactly these."""
    opened_at: datetime
    closed_at: datetime | None = None
    note: str | None = None
    """What the person who cleared it wrote."""

    @property
    def is_open(self) -> bool:
        """Whether it still holds charges."""
        return self.closed_at is None

    def clear(self, note: str, now: datetime) -> None:
        """Let charges go on. Raises Conflict when it is cleared already, InvalidInput for an unusable note."""
        if self.closed_at is not None:
            raise Conflict(f"stop {self.id} is cleared already")
        self.note = entered("note", note, LONGEST_REASON)
        self.closed_at = now

    def __str__(self) -> str:
        where = "all charging" if self.scope == ALL else f"charging of {self.scope}"
        return f"{where} is stopped since {self.opened_at:%Y-%m-%d %H:%M} UTC ({self.cause}): {self.reason}"


def require_scope(scope: str) -> str:
    """The scope, if it is one. Raises InvalidInput."""
    if not _SCOPE.fullmatch(scope):
        raise InvalidInput("scope", scope, "must be all, pg:NAME or subscription:ID")
    return scope


def scopes_of(subscription_id: str, pg_provider: str) -> tuple[str, str, str]:
    """Every scope in which a stop holds this subscription's charges on a key of this PG."""
    return ALL, PG + pg_provider, SUBSCRIPTION + subscription_id
