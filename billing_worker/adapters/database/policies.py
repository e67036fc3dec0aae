"""Dunning policies in PostgreSQL."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Text, cast, select
from sqlalchemy.dialects.postgresql import insert

from billing_worker.adapters.database.tables.dunning import dunning_policies
from billing_worker.domain.dunning.definition import stored_policy, written_policy
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.dunning.version import PolicyVersion
from billing_worker.domain.errors import NotFound

_P = dunning_policies.c
DEFINITION = cast(_P.definition, Text)
"""A definition as text: a transaction that charges joins it to its rows, and `policy_in` reads each text once."""
_VERSIONS = select(_P.name, _P.version, DEFINITION.label("definition"), _P.created_at)


@lru_cache(maxsize=512)
def policy_in(definition: str) -> DunningPolicy:
    """The policy of this stored text. A version never changes, so that a process reads it once."""
    return stored_policy(json.loads(definition))


class SqlDunningPolicies:
    """Named policies in their versions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, version_id: str) -> PolicyVersion:
        """The version with this id. Raises NotFound."""
        found = self._found(_VERSIONS.where(_P.id == version_id))
        if not found:
            raise NotFound("dunning policy", version_id)
        return found[0]

    def newest(self, name: str) -> PolicyVersion | None:
        """The newest version of this policy; None if there is none."""
        found = self._found(_VERSIONS.where(_P.name == name).order_by(_P.version.desc()).limit(1))
        return found[0] if found else None

    def add(self, version: PolicyVersion) -> bool:
        """Store a version; False if another transaction has stored this number."""
        values: dict[str, Any] = {"id": version.id, "name": version.name, "version": version.version}
        values |= {"definition": written_policy(version.policy), "created_at": version.created_at}
        stored = insert(dunning_policies).values(values).on_conflict_do_nothing().returning(_P.id)
        return self._connection.execute(stored).scalar_one_or_none() is not None

    def all(self) -> Sequence[PolicyVersion]:
        """Every version of every policy, by name and number."""
        return self._found(_VERSIONS.order_by(_P.name, _P.version))

    def _found(self, statement: Any) -> Sequence[PolicyVersion]:
        return [
            PolicyVersion(row.name, row.version, policy_in(row.definition), row.created_at)
            for row in self._connection.execute(statement)
        ]
