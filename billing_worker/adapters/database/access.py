"""Tokens of the API, and the log of actions, in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from billing_worker.adapters.database import repository, rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.access import actions, api_tokens
from billing_worker.domain.access import ApiToken
from billing_worker.domain.action import Action
from billing_worker.domain.errors import Conflict, NotFound

_IN_FORCE = api_tokens.c.revoked_at.is_(None)


class SqlTokens(Repository[ApiToken]):
    """Tokens of the API."""

    table = api_tokens
    kind = "token"
    hydrate = staticmethod(rows.to_api_token)

    def add(self, entity: ApiToken) -> None:
        """Store a new token. Raises Conflict while another one of this name is in force."""
        try:
            super().add(entity)
        except IntegrityError as error:
            problem = f"token {entity.name} already exists; revoke it first, or choose another name"
            raise Conflict(problem, field="name") from error

    def lock_named(self, name: str) -> ApiToken:
        """The newest token of this name, locked. Raises NotFound."""
        own = select(api_tokens).where(api_tokens.c.name == name)
        newest = own.order_by(_IN_FORCE.desc(), api_tokens.c.created_at.desc()).limit(1).with_for_update()
        found = self._many(newest)
        if not found:
            raise NotFound(self.kind, name)
        return found[0]

    def with_digest(self, digest: str) -> ApiToken | None:
        """The token in force whose text has this digest."""
        found = self._many(select(api_tokens).where(_IN_FORCE & (api_tokens.c.digest == digest)))
        return found[0] if found else None

    def list(self) -> Sequence[ApiToken]:
        """All tokens, including revoked ones, newest first."""
        return self._many(select(api_tokens).order_by(api_tokens.c.created_at.desc(), api_tokens.c.id))


class SqlActions:
    """The log of actions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_all(self, added: Sequence[Action]) -> None:
        """Store the actions."""
        values: list[dict[str, Any]] = [repository.plain(action) for action in added]
        for each in values:
            del each["id"]
        if values:
            self._connection.execute(insert(actions), values)

    def of_subjects(self, subjects: Sequence[str], most: int) -> Sequence[Action]:
        """The newest actions on any of these things, oldest first."""
        own = select(actions).where(actions.c.subject_id.in_(list(subjects)))
        found = self._connection.execute(own.order_by(actions.c.id.desc()).limit(most)).mappings()
        return [rows.to_action(dict(row)) for row in reversed(found.all())]
