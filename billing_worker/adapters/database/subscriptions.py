"""Subscriptions in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, String, bindparam, func, or_, select, text

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import subscriptions
from billing_worker.domain.subscription import RENEWING, Subscription, SubscriptionStatus
from billing_worker.domain.text import normal_form, spellings
from billing_worker.ports.control import DueBetween

_CLAIM_RENEWALS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM subscriptions
        WHERE status = ANY(:renewing) AND held_since IS NULL
          AND next_period_start > :after AND next_period_start <= :until
          AND (lease_until IS NULL OR lease_until <= :real_now)
        ORDER BY next_period_start
        LIMIT LEAST(:most, GREATEST(0, :limit - (SELECT count(*) FROM subscriptions WHERE lease_until > :real_now)))
        FOR UPDATE SKIP LOCKED)
    UPDATE subscriptions SET lease_until = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")
"""Fills the queue up to `limit` claimed subscriptions: work that is offered faster than served becomes stale."""


# In one order; otherwise two transactions could deadlock.
_LOCK_PAIRS = text("""
    SELECT pg_advisory_xact_lock(:purpose, pair)
    FROM (SELECT DISTINCT hashtext(each) AS pair FROM unnest(CAST(:pairs AS text[])) AS each ORDER BY 1) sorted
""")


class SqlSubscriptions(Repository[Subscription]):
    """Subscriptions."""

    table = subscriptions
    kind = "subscription"
    hydrate = staticmethod(rows.to_subscription)

    def add(self, entity: Subscription) -> None:
        """Store a new subscription. Raises Conflict, with the id of the one that already has its external_id."""
        self.add_alone(entity, external_id=entity.external_id)

    def live_twin(self, customer: str, plan_id: str) -> Subscription | None:
        """A live subscription of this customer on this plan. Locks the pair until the transaction ends."""
        self.lock_pairs([(customer, plan_id)])
        same = subscriptions.c.customer.in_(spellings(customer)) & (subscriptions.c.plan_id == plan_id)
        live = select(subscriptions).where(same, subscriptions.c.status != SubscriptionStatus.CANCELED)
        found = self._many(live.order_by(subscriptions.c.created_at, subscriptions.c.id).limit(1))
        return found[0] if found else None

    def lock_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Lock these pairs against other new subscriptions until the transaction ends."""
        texts = [f"{plan_id} {normal_form(customer)}" for customer, plan_id in pairs]
        self._connection.execute(_LOCK_PAIRS, {"purpose": AdvisoryLock.SUBSCRIBING.value, "pairs": texts})

    def of_key(self, key_id: str) -> Sequence[Subscription]:
        """All subscriptions that are charged to this key, in the order in which they are locked: that of their ids."""
        own = subscriptions.c.billing_key_id == key_id
        return self._many(select(subscriptions).where(own).order_by(subscriptions.c.id))

    def of_keys_or_customers(self, key_ids: Sequence[str], customers: Sequence[str]) -> Sequence[Subscription]:
        """All subscriptions that are charged to one of these keys, or belong to one of these customers."""
        one_of = or_(
            subscriptions.c.billing_key_id == func.any(bindparam("keys", type_=ARRAY(String))),
            subscriptions.c.customer == func.any(bindparam("customers", type_=ARRAY(String))),
        )
        return self._many(select(subscriptions).where(one_of), keys=key_ids, customers=customers)

    def claim_renewals(
        self, due: DueBetween, real_now: datetime, lease_until: datetime, limit: int, most: int | None = None
    ) -> Sequence[str]:
        """Ids whose next period is due and that no other worker has, oldest first, leased to the caller."""
        wanted: dict[str, Any] = {"after": due.after, "until": due.until}
        wanted |= {"limit": limit, "most": limit if most is None else most}
        wanted |= {"real_now": real_now, "lease_until": lease_until, "renewing": [str(s) for s in RENEWING]}
        return list(self._connection.execute(_CLAIM_RENEWALS, wanted).scalars())
