"""Answers to requests, kept so that a repeated request gets the same answer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The first answer to a request that carried an Idempotency-Key."""

    key: str
    fingerprint: str
    """Digest of method, address and body. The same key with another fingerprint is another request, and refused."""
    status: int
    content_type: str
    body: bytes = field(repr=False)
    created_at: datetime
    """Real time."""


class KeptAnswers(Protocol):
    """Answers by their key."""

    def take(self, key: str) -> bool:
        """Claim the key until the end of the transaction; False if another transaction has it. Never waits."""

    def find(self, key: str) -> KeptAnswer | None:
        """The answer kept under this key."""

    def add(self, answer: KeptAnswer) -> None:
        """Keep an answer."""

    def forget(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` answers from before this moment (real time); returns their number."""


class RequestRecords(Protocol):
    """The kept answers in a transaction."""

    @property
    def kept_answers(self) -> KeptAnswers:
        """Answers by their key."""
