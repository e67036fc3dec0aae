"""A stop: no new charge begins in its scope until an operator clears it.

Only the pause for a gateway that fails ends by itself. A stop holds charges only: periods are opened, outcomes are
read, refunds are made and notifications are applied as always.
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
INVOICE = "invoice:"
"""Of a single payment, which no subscription has."""

LONGEST_REASON = 500

_SCOPE = re.compile(r"all|pg:[a-z0-9_]{1,40}|(?:subscription|invoice):[A-Za-z0-9_]{1,40}")


class StopCause(StrEnum):
    """The cause of a stop."""

    PERSON = "person"
    """An operator asked for it."""
    BREACH = "breach"
    """An audit found a broken invariant."""
    BUDGET = "budget"
    """A charge would have exceeded a budget."""
    ISSUE = "issue"
    """An operator must decide what the payment that issued a key pays for."""
    ENVIRONMENT = "environment"
    """This database, with these credentials, was not claimed: a restored backup, a copy, or another account."""
    GATEWAY = "gateway"
    """The gateway itself fails. A probe clears this stop when the gateway answers again."""


@dataclass(slots=True)
class Stop:
    """No new charge in `scope`: `all`, `pg:NAME`, `subscription:ID`, or `invoice:ID` of a single payment.

    Times are billing time.
    """

    id: int
    scope: str
    cause: StopCause
    reason: str
    subjects: list[str]
    """The breaches found, or the invoices held. Clearing the stop accepts exactly these."""
    opened_at: datetime
    closed_at: datetime | None = None
    note: str | None = None
    """The note of the operator who cleared it."""

    @property
    def waits_for_gateway(self) -> bool:
        """Whether it only waits for the gateway to answer again: no operator decided against a charge."""
        return self.cause is StopCause.GATEWAY

    @property
    def is_open(self) -> bool:
        """Whether it still holds charges."""
        return self.closed_at is None

    def clear(self, note: str, now: datetime) -> None:
        """End the stop. Raises Conflict when it is already cleared, InvalidInput for an unusable note."""
        if self.closed_at is not None:
            raise Conflict(f"stop {self.id} is already cleared")
        self.note = entered("note", note, LONGEST_REASON)
        self.closed_at = now

    def __str__(self) -> str:
        where = "all charging" if self.scope == ALL else f"charging of {self.scope}"
        return f"{where} is stopped since {self.opened_at:%Y-%m-%d %H:%M} UTC ({self.cause}): {self.reason}"


def require_scope(scope: str) -> str:
    """The scope. Raises InvalidInput for any other text."""
    if not _SCOPE.fullmatch(scope):
        raise InvalidInput("scope", scope, "must be all, pg:NAME, subscription:ID or invoice:ID of a single payment")
    return scope


def scope_of(owner_id: str) -> str:
    """The smallest scope: that of a subscription, or of a single payment."""
    return (INVOICE if owner_id.startswith("inv_") else SUBSCRIPTION) + owner_id


def scopes_of(owner_id: str, pg_provider: str) -> tuple[str, str, str]:
    """Every scope whose stop holds the charges of this subscription, or single payment, on a key of this PG."""
    return ALL, PG + pg_provider, scope_of(owner_id)
