"""Plans, keys, subscriptions, invoices and attempts in PostgreSQL.

The claims are the only queries that decide *whom* to serve; whether something may really be charged is decided again
by the domain, under the subscription's lock.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, String, bindparam, exists, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables import (
    billing_keys,
    doubts,
    invoices,
    merchant_uids,
    payment_attempts,
    plans,
    subscriptions,
)
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.errors import Conflict
from billing_worker.domain.invoice import Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import COLLECTING, RENEWING, Subscription, SubscriptionStatus
from billing_worker.domain.text import normal_form, spellings
from billing_worker.ports import DueBetween, Echo


class SqlPlans(Repository[Plan]):
    """Plans."""

    table = plans
    kind = "plan"
    hydrate = staticmethod(rows.to_plan)
    values = staticmethod(rows.plan_values)

    def add(self, entity: Plan) -> None:
        """Store a new plan. Raises Conflict with the id of the one that has its external_id."""
        self.add_alone(entity, external_id=entity.external_id)

    def all(self) -> Sequence[Plan]:
        """Every plan: there are as many as a merchant has prices."""
        return self._many(select(plans))


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
        """Store a new key. Raises Conflict with the id of the one that has its customer_uid or external_id."""
        self.add_alone(entity, customer_uid=entity.customer_uid, external_id=entity.external_id)

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of pending keys whose next look has come, oldest first; their look is put off to `lease_until`."""
        wanted: dict[str, Any] = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_KEY_LOOKS, wanted).scalars())

    def with_customer_uid(self, customer_uid: str) -> BillingKey | None:
        """The key stored under this customer_uid."""
        found = self._many(select(billing_keys).where(billing_keys.c.customer_uid == customer_uid))
        return found[0] if found else None

    def lock_customer_uids(self, customer_uids: Sequence[str]) -> Sequence[BillingKey]:
        """The keys stored under these customer_uids, locked until the end of the transaction."""
        wanted = billing_keys.c.customer_uid == func.any(bindparam("uids", type_=ARRAY(String)))
        # In one order, so that two imports of the same rows do not wait for each other.
        return self._many(
            select(billing_keys).where(wanted).order_by(billing_keys.c.id).with_for_update(), uids=customer_uids
        )

    def pg_providers(self) -> Sequence[str]:
        """The PGs that any key has, by name."""
        names = select(billing_keys.c.pg_provider).distinct().order_by(billing_keys.c.pg_provider)
        return self._connection.execute(names).scalars().all()


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
"""Tops the queue up to `limit` claimed subscriptions: what is offered faster than it is served only grows stale."""


# In one order, or two transactions could wait for each other's pairs.
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
        """Store a new subscription. Raises Conflict with the id of the one that has its external_id."""
        self.add_alone(entity, external_id=entity.external_id)

    def live_twin(self, customer: str, plan_id: str) -> Subscription | None:
        """A live subscription of this customer on this plan; nobody else adds one until the transaction ends."""
        self.lock_pairs([(customer, plan_id)])
        same = subscriptions.c.customer.in_(spellings(customer)) & (subscriptions.c.plan_id == plan_id)
        live = select(subscriptions).where(same, subscriptions.c.status != SubscriptionStatus.CANCELED)
        found = self._many(live.order_by(subscriptions.c.created_at, subscriptions.c.id).limit(1))
        return found[0] if found else None

    def lock_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Nobody else puts any of these customers on that plan until the transaction ends."""
        texts = [f"{plan_id} {normal_form(customer)}" for customer, plan_id in pairs]
        self._connection.execute(_LOCK_PAIRS, {"purpose": AdvisoryLock.SUBSCRIBING.value, "pairs": texts})

    def of_key(self, key_id: str) -> Sequence[Subscription]:
        """All subscriptions that are charged to this key."""
        return self._many(select(subscriptions).where(subscriptions.c.billing_key_id == key_id))

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
        """Ids whose next period is due and that nobody else is working on, oldest first, leased to the caller."""
        wanted: dict[str, Any] = {"after": due.after, "until": due.until}
        wanted |= {"limit": limit, "most": limit if most is None else most}
        wanted |= {"real_now": real_now, "lease_until": lease_until, "renewing": [str(s) for s in RENEWING]}
        return list(self._connection.execute(_CLAIM_RENEWALS, wanted).scalars())


_CLAIM = """
    WITH chosen AS MATERIALIZED (
        SELECT i.id FROM invoices i
        JOIN subscriptions s ON s.id = i.subscription_id
        JOIN billing_keys k ON k.id = i.billing_key_id
        WHERE i.status = 'open' AND i.next_attempt_at > :after AND i.next_attempt_at <= :until
          AND (i.failures > 0) = COALESCE(:failed, i.failures > 0) {only}
          AND (i.lease_until IS NULL OR i.lease_until <= :real_now)
          AND k.status <> 'pending' AND s.status = ANY(:collecting)
          AND NOT EXISTS (SELECT FROM payment_attempts a
                          WHERE a.invoice_id = i.id AND a.status IN ('in_flight', 'unknown'))
          AND NOT EXISTS (SELECT FROM stops WHERE closed_at IS NULL AND scope = 'all')
          AND NOT EXISTS (SELECT FROM stops t WHERE t.closed_at IS NULL
                          AND t.scope IN ('pg:' || k.pg_provider, 'subscription:' || i.subscription_id))
        ORDER BY i.next_attempt_at
        LIMIT LEAST(:most, GREATEST(0, :limit - (SELECT count(*) FROM invoices WHERE lease_until > :real_now)))
        FOR UPDATE OF i SKIP LOCKED)
    UPDATE invoices SET fence = fence + 1, lease_until = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
"""
_CLAIM_INVOICES = text(_CLAIM.format(only=""))
_CLAIM_INVOICES_OF_KEY = text(_CLAIM.format(only="AND i.billing_key_id = :key_id"))
"""Tops the queue up to `limit` claimed invoices, rather than adding to a queue that a slow worker leaves long."""


class SqlInvoices(Repository[Invoice]):
    """Invoices, and the register of merchant_uids."""

    table = invoices
    kind = "invoice"
    hydrate = staticmethod(rows.to_invoice)

    def add(self, entity: Invoice) -> bool:
        """Store a new invoice and its merchant_uid; False when this period has its invoice already."""
        values = rows.plain(entity)
        statement = insert(invoices).on_conflict_do_nothing(index_elements=["subscription_id", "period_start"])
        if self._connection.execute(statement, values).rowcount == 0:
            return False
        self._loaded[entity.id] = values
        self._register(entity)
        return True

    def save(self, entity: Invoice) -> None:
        """Write the invoice back; registers a new merchant_uid when the generation grew."""
        before = self._loaded.get(entity.id)
        if before is not None and before["generation"] != entity.generation:
            self._register(entity)
        super().save(entity)

    def of_subscription(self, subscription_id: str) -> Sequence[Invoice]:
        """All invoices of a subscription, oldest first."""
        own = invoices.c.subscription_id == subscription_id
        return self._many(select(invoices).where(own).order_by(invoices.c.period_index))

    def voidable(self, subscription_id: str) -> Sequence[Invoice]:
        """Unpaid invoices of a subscription without an open attempt."""
        unpaid = invoices.c.status.in_([InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE])
        open_attempt = (payment_attempts.c.invoice_id == invoices.c.id) & payment_attempts.c.closed_at.is_(None)
        own = (invoices.c.subscription_id == subscription_id) & unpaid & ~exists().where(open_attempt)
        return self._many(select(invoices).where(own).order_by(invoices.c.period_index))

    def claim_due(
        self,
        due: DueBetween,
        real_now: datetime,
        lease_until: datetime,
        limit: int,
        most: int | None = None,
        *,
        key_id: str | None = None,
    ) -> Sequence[str]:
        """Ids of invoices to serve now, oldest first, each with a new fence and a lease."""
        wanted: dict[str, Any] = {"after": due.after, "until": due.until, "failed": due.failed}
        wanted |= {"limit": limit, "most": limit if most is None else most, "real_now": real_now}
        wanted |= {"lease_until": lease_until, "collecting": [str(s) for s in COLLECTING]}
        if key_id is None:
            return list(self._connection.execute(_CLAIM_INVOICES, wanted).scalars())
        return list(self._connection.execute(_CLAIM_INVOICES_OF_KEY, wanted | {"key_id": key_id}).scalars())

    def with_merchant_uid(self, merchant_uid: str) -> str | None:
        """The id of the invoice that this merchant_uid was ever given to."""
        statement = select(merchant_uids.c.invoice_id).where(merchant_uids.c.merchant_uid == merchant_uid)
        return self._connection.execute(statement).scalar_one_or_none()

    def adopt_merchant_uid(self, invoice_id: str, merchant_uid: str) -> None:
        """Register the merchant_uid of a payment that we did not place: generation 0, which ours never have."""
        adopted = {"merchant_uid": merchant_uid, "invoice_id": invoice_id, "generation": 0}
        self._connection.execute(insert(merchant_uids), adopted)

    def _register(self, entity: Invoice) -> None:
        self._connection.execute(
            insert(merchant_uids),
            {"merchant_uid": entity.merchant_uid, "invoice_id": entity.id, "generation": entity.generation},
        )


_CLAIM_LOOKS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM payment_attempts WHERE next_look_at <= :real_now
        ORDER BY next_look_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE payment_attempts SET next_look_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")


_ECHOES_OF = text("""
    SELECT imp_uid, merchant_uid FROM payment_attempts WHERE imp_uid = ANY(:imp_uids) AND status = 'approved'
    UNION ALL
    SELECT NULL, merchant_uid FROM payment_attempts WHERE merchant_uid = ANY(:merchant_uids) AND status = 'in_flight'
""")


class SqlAttempts(Repository[PaymentAttempt]):
    """Payment attempts."""

    table = payment_attempts
    kind = "attempt"
    hydrate = staticmethod(rows.to_attempt)

    def add(self, entity: PaymentAttempt) -> None:
        """Store a new attempt. Raises Conflict when the invoice has an open one already."""
        try:
            super().add(entity)
        except IntegrityError as error:
            raise Conflict(f"invoice {entity.invoice_id} has an open attempt already") from error

    def of_invoice(self, invoice_id: str) -> Sequence[PaymentAttempt]:
        """All attempts of an invoice, by number."""
        own = payment_attempts.c.invoice_id == bindparam("invoice_id")
        statement = select(payment_attempts).where(own).order_by(payment_attempts.c.number)
        return self._many(statement, invoice_id=invoice_id)

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open attempts whose next look has come, oldest first; their look is put off to `lease_until`."""
        wanted: dict[str, Any] = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_LOOKS, wanted).scalars())

    def open_ids(self) -> Sequence[str]:
        """Ids of all open attempts, oldest first."""
        statement = select(payment_attempts.c.id).where(payment_attempts.c.closed_at.is_(None))
        return list(self._connection.execute(statement.order_by(payment_attempts.c.started_at)).scalars())

    def echoes_of(self, payments: Sequence[tuple[str, str]]) -> Sequence[Echo]:
        """What a webhook that calls each payment (imp_uid, merchant_uid) paid would tell us about our attempts."""
        if not payments:
            return []
        imp_uids, merchant_uids = zip(*payments, strict=True)
        asked = {"imp_uids": list(imp_uids), "merchant_uids": list(merchant_uids)}
        found = {tuple(row) for row in self._connection.execute(_ECHOES_OF, asked)}
        return [
            Echo.RECORDED if payment in found else Echo.IN_FLIGHT if (None, payment[1]) in found else Echo.NONE
            for payment in payments
        ]

    def known_imp_uid(self, other_than: str) -> str | None:
        """The imp_uid of the newest payment that the gateway showed us, for a control read."""
        seen = payment_attempts.c.imp_uid.is_not(None) & (payment_attempts.c.invoice_id != other_than)
        # What is doubted itself shows nothing about reads.
        seen &= ~exists().where(doubts.c.id == payment_attempts.c.id)
        statement = select(payment_attempts.c.imp_uid).where(seen & payment_attempts.c.closed_at.is_not(None))
        return self._connection.execute(
            statement.order_by(payment_attempts.c.closed_at.desc()).limit(1)
        ).scalar_one_or_none()
