"""Tokens that let the API in, and what was done by whom."""

from collections.abc import Sequence
from typing import Protocol

from billing_worker.domain.access import ApiToken
from billing_worker.domain.action import Action


class Tokens(Protocol):
    """Tokens of the API. Their texts are nowhere; only digests are kept."""

    def add(self, token: ApiToken) -> None:
        """Store a new token. Raises Conflict while another one of this name is in force."""

    def save(self, token: ApiToken) -> None:
        """Write the token back."""

    def lock_named(self, name: str) -> ApiToken:
        """The newest token of this name, locked. Raises NotFound."""

    def with_digest(self, digest: str) -> ApiToken | None:
        """The token in force whose text has this digest."""

    def list(self) -> Sequence[ApiToken]:
        """All tokens, also revoked ones, newest first."""


class Actions(Protocol):
    """What was done by whom. Written once, never changed."""

    def add_all(self, added: Sequence[Action]) -> None:
        """Keep them."""

    def of_subjects(self, subjects: Sequence[str], most: int) -> Sequence[Action]:
        """The newest actions on any of these things, oldest first."""


class AccessRecords(Protocol):
    """What a transaction offers about who may ask, and who asked."""

    @property
    def tokens(self) -> Tokens:
        """Tokens of the API."""

    @property
    def actions(self) -> Actions:
        """What was done by whom."""
