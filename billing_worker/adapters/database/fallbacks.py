"""Fallback keys in PostgreSQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import ARRAY, String, any_, bindparam, select

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import billing_keys
from billing_worker.adapters.database.tables.fallbacks import fallback_keys
from billing_worker.domain.fallback import Fallback, FallbackKey

_OWN = [column.name for column in fallback_keys.c]
_KEYS = [column.name for column in billing_keys.c]
_IN_USE = (
    select(fallback_keys, billing_keys)
    .join(billing_keys, billing_keys.c.id == fallback_keys.c.billing_key_id)
    .where(fallback_keys.c.subscription_id == any_(bindparam("ids", type_=ARRAY(String))))
    .where(fallback_keys.c.ended_at.is_(None))
    .order_by(fallback_keys.c.subscription_id, fallback_keys.c.position)
)
_BACKED = (
    select(fallback_keys.c.subscription_id)
    .where(fallback_keys.c.billing_key_id == bindparam("key_id"), fallback_keys.c.ended_at.is_(None))
    .order_by(fallback_keys.c.subscription_id)
)


class SqlFallbackKeys(Repository[FallbackKey]):
    """Fallback keys."""

    table = fallback_keys
    kind = "fallback key"
    hydrate = staticmethod(rows.to_fallback_key)

    def of_subscription(self, subscription_id: str) -> Sequence[FallbackKey]:
        """All fallback keys that a subscription has or had, in their order."""
        own = select(fallback_keys).where(fallback_keys.c.subscription_id == subscription_id)
        return self._many(own.order_by(fallback_keys.c.position))

    def in_use(self, subscription_ids: Sequence[str]) -> Mapping[str, Sequence[Fallback]]:
        """The fallback keys in use of those of these subscriptions that have any, in their order."""
        found = defaultdict(list)
        for row in self._connection.execute(_IN_USE, {"ids": list(subscription_ids)}):
            values = tuple(row)
            own = self.adopt(dict(zip(_OWN, values[: len(_OWN)], strict=True)))
            key = rows.to_key(dict(zip(_KEYS, values[len(_OWN) :], strict=True)))
            found[own.subscription_id].append(Fallback(own, key))
        return found

    def backed_by(self, key_id: str) -> Sequence[str]:
        """Ids of the subscriptions that have this key as a fallback, in the order in which they are locked."""
        return list(self._connection.execute(_BACKED, {"key_id": key_id}).scalars())
