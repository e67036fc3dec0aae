"""Tokens of the API, and the log of actions."""

from collections.abc import Sequence
from typing import Protocol

from billing_worker.domain.access import ApiToken
from billing_worker.domain.action import Action


class Tokens(Protocol):
    """Tokens of the API. Only digests of their texts are stored."""

    def add(self, token: ApiToken) -> None:
        """Store a new token. Raises Conflict while another one of this name is in force."""

    def save(self, token: ApiToken) -> None:
        """Write the token back."""

    def lock_named(self, name: str) -> ApiToken:
        """The newest token of this name, locked. Raises NotFound."""

    def with_digest(self, digest: str) -> ApiToken | None:
        """The token in force whose text has this digest."""

    def list(self) -> Sequence[ApiToken]:
        """All tokens, including revoked ones, newest first."""


class Actions(Protocol):
    """The log of actions. An action is written once and never changed."""

    def add_all(self, added: Sequence[Action]) -> None:
        """Store the actions."""

    def of_subjects(self, subjects: Sequence[str], most: int) -> Sequence[Action]:
        """The newest actions on any of these things, oldest first."""


class AccessRecords(Protocol):
    """The records of access in a transaction."""

    @property
    def tokens(self) -> Tokens:
        """Tokens of the API."""

    @property
    def actions(self) -> Actions:
        """What was done by whom."""
