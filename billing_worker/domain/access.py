"""Named API tokens, and the scope of each."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from billing_worker.domain.errors import Conflict, InvalidInput

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
RESERVED = frozenset({"setting", "file"})
"""Names of the tokens in the settings and in the var directory."""


class Scope(StrEnum):
    """What a token may do. Each scope includes the ones before it."""

    READ = "read"
    """Read: every GET, and the metrics."""
    WRITE = "write"
    """Also create and change plans, keys and subscriptions, send events again, close alerts."""
    MONEY = "money"
    """Also move money or allow it to move: refunds, retries, stops, and what an issuing payment pays."""

    def covers(self, needed: "Scope") -> bool:
        """Whether this scope includes the other one."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)


@dataclass(slots=True)
class ApiToken:
    """An issued token. The worker stores only a digest of its text. Times are real time."""

    id: str
    name: str
    scope: Scope
    digest: str = field(repr=False)
    """SHA-256 of the token's text, in hexadecimal digits."""
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in RESERVED:
            problem = "must be 1 to 40 of a-z, 0-9, '.', '_', '-', and neither 'setting' nor 'file'"
            raise InvalidInput("name", self.name, problem)

    def revoke(self, actor: str, real_now: datetime) -> None:
        """Refuse this token from now on. Raises Conflict when it is already revoked."""
        if self.revoked_at is not None:
            raise Conflict(f"token {self.name} is already revoked", field="name")
        self.revoked_at, self.revoked_by = real_now, actor
