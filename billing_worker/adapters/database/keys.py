"""Billing keys in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, String, bindparam, func, select, text

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import billing_keys
from billing_worker.domain.billing_key import BillingKey

_CLAIM_KEY_LOOKS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM billing_keys WHERE next_look_at <= :real_now
        ORDER BY next_look_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE billing_keys SET next_look_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")


class SqlBillingKeys(Repository[BillingKey]):
    """Billing keys."""

    table = billing_keys
    kind = "billing key"
    hydrate = staticmethod(rows.to_key)
    values = staticmethod(rows.key_values)

    def add(self, entity: BillingKey) -> None:
        """Store a new key. Raises Conflict, with the id of the key that already has its customer_uid or external_id."""
        self.add_alone(entity, customer_uid=entity.customer_uid, external_id=entity.external_id)

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of pending keys whose next look is due, oldest first. Postpones their look to `lease_until`."""
        wanted: dict[str, Any] = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_KEY_LOOKS, wanted).scalars())

    def with_customer_uid(self, customer_uid: str) -> BillingKey | None:
        """The key stored under this customer_uid."""
        found = self._many(select(billing_keys).where(billing_keys.c.customer_uid == customer_uid))
        return found[0] if found else None

    def lock_customer_uids(self, customer_uids: Sequence[str]) -> Sequence[BillingKey]:
        """The keys stored under these customer_uids, locked until the end of the transaction."""
        wanted = billing_keys.c.customer_uid == func.any(bindparam("uids", type_=ARRAY(String)))
        # In one order, so that two imports of the same rows do not deadlock.
        return self._many(
            select(billing_keys).where(wanted).order_by(billing_keys.c.id).with_for_update(), uids=customer_uids
        )

    def pg_providers(self) -> Sequence[str]:
        """The names of all PGs that have a key."""
        names = select(billing_keys.c.pg_provider).distinct().order_by(billing_keys.c.pg_provider)
        return self._connection.execute(names).scalars().all()
