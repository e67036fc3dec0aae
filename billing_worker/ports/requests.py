"""Requests that were answered once, and are answered the same way when they come again."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The first answer to a request that carried an Idempotency-Key."""

    key: str
    fingerprint: str
    """Digest of method, address and body: the same key with another one is another request, and refused."""
    status: int
    content_type: str
    body: bytes = field(repr=False)
    created_at: datetime
    """Real time."""


class KeptAnswers(Protocol):
    """Answers by their key."""

    def take(self, key: str) -> bool:
        """Claim the key until the end of the transaction; False while another transaction has it. Never waits."""

    def find(self, key: str) -> KeptAnswer | None:
        """The answer that was given under this key."""

    def add(self, answer: KeptAnswer) -> None:
        """Keep an answer."""

    def forget(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` answers that were given before this moment (real time); returns how many."""


class RequestRecords(Protocol):
    """What a transaction offers about requests that may come again."""

    @property
    def kept_answers(self) -> KeptAnswers:
        """Answers by their key."""
