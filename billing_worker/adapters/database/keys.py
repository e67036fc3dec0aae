"""Billing keys in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, String, bindparam, func, select, text
from sqlalchemy.exc import IntegrityError

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import billing_keys, key_calls
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.errors import Conflict
from billing_worker.domain.key_call import KeyCall

_CLAIM_KEY_LOOKS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM billing_keys WHERE next_look_at <= :real_now
        ORDER BY next_look_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE billing_keys SET next_look_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")


_CHARGING = text("""
    SELECT id FROM subscriptions WHERE billing_key_id = :key_id AND status <> 'canceled'
    UNION SELECT f.subscription_id FROM fallback_keys f JOIN subscriptions s ON s.id = f.subscription_id
        WHERE f.billing_key_id = :key_id AND f.ended_at IS NULL AND s.status <> 'canceled'
    UNION SELECT coalesce(subscription_id, id) FROM invoices WHERE billing_key_id = :key_id AND status = 'open'
    UNION SELECT coalesce(i.subscription_id, i.id) FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
        WHERE a.closed_at IS NULL AND a.next_look_at IS NOT NULL AND a.billing_key_id = :key_id
    ORDER BY 1
""")

_CLAIM_EXPIRY_LOOKS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM billing_keys WHERE expiry_look_at <= :now
        ORDER BY expiry_look_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE billing_keys SET expiry_look_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")

_CLAIM_CALLS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM key_calls WHERE next_step_at <= :real_now
        ORDER BY next_step_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE key_calls SET next_step_at = :lease_until
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

    def claim_expiry_looks(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of keys whose month of expiry is to be looked at, oldest first. Postpones the look to `lease_until`."""
        wanted = {"now": now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_EXPIRY_LOOKS, wanted).scalars())

    def with_customer_uid(self, customer_uid: str) -> BillingKey | None:
        """The key stored under this customer_uid."""
        found = self._many(select(billing_keys).where(billing_keys.c.customer_uid == customer_uid))
        return found[0] if found else None

    def with_customer_uids(self, customer_uids: Sequence[str]) -> Mapping[str, str]:
        """Ids of the keys stored under these customer_uids, by these."""
        wanted = billing_keys.c.customer_uid == func.any(bindparam("uids", type_=ARRAY(String)))
        found = select(billing_keys.c.customer_uid, billing_keys.c.id).where(wanted)
        return {row[0]: row[1] for row in self._connection.execute(found, {"uids": list(customer_uids)})}

    def lock_customer_uids(self, customer_uids: Sequence[str]) -> Sequence[BillingKey]:
        """The keys stored under these customer_uids, locked until the end of the transaction."""
        wanted = billing_keys.c.customer_uid == func.any(bindparam("uids", type_=ARRAY(String)))
        # In one order, so that two imports of the same rows do not deadlock.
        return self._many(
            select(billing_keys).where(wanted).order_by(billing_keys.c.id).with_for_update(), uids=customer_uids
        )

    def lock_all(self, key_ids: Sequence[str]) -> Sequence[BillingKey]:
        """These keys, locked in the order of their ids until the end of the transaction.

        New attempts only refer to a key, and do not wait for the lock.
        """
        wanted = billing_keys.c.id == func.any(bindparam("ids", type_=ARRAY(String)))
        found = select(billing_keys).where(wanted).order_by(billing_keys.c.id)
        return self._many(found.with_for_update(key_share=True), ids=list(key_ids))

    def charging(self, key_id: str) -> Sequence[str]:
        """Ids of the subscriptions and single payments that this key still pays for, or is being charged for."""
        return list(self._connection.execute(_CHARGING, {"key_id": key_id}).scalars())

    def pg_providers(self) -> Sequence[str]:
        """The names of all PGs that have a key."""
        names = select(billing_keys.c.pg_provider).distinct().order_by(billing_keys.c.pg_provider)
        return self._connection.execute(names).scalars().all()


class SqlKeyCalls(Repository[KeyCall]):
    """Calls that store or delete keys at the gateway."""

    table = key_calls
    kind = "call about a key"
    hydrate = staticmethod(rows.to_key_call)

    def add(self, entity: KeyCall) -> None:
        """Store a new call. Raises Conflict while another one about this key is open."""
        try:
            super().add(entity)
        except IntegrityError as error:
            raise Conflict(f"billing key {entity.key_id} is being issued or deleted; wait for the result") from error

    def of_key(self, key_id: str) -> Sequence[KeyCall]:
        """All calls about a key, oldest first."""
        own = select(key_calls).where(key_calls.c.key_id == key_id)
        return self._many(own.order_by(key_calls.c.created_at, key_calls.c.id))

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open calls whose next step is due, oldest first. Postpones the step to `lease_until`."""
        wanted: dict[str, Any] = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_CALLS, wanted).scalars())
