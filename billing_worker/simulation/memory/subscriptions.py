"""Plans, keys and subscriptions in memory, each with the constraints of its SQL table."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from billing_worker.domain.billing_key import BillingKey, IssueUse, KeyStatus
from billing_worker.domain.errors import Conflict
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import RENEWING, Subscription, SubscriptionStatus
from billing_worker.ports.control import DueBetween
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import DueIndex, Entry, GuardBroken, Table, either
from billing_worker.simulation.memory.unserved import Unserved

WAKES_SCHEDULES = (
    *("collection", "status", "billing_key_id", "cancel_at_period_end", "held_since", "next_period_start"),
)
"""A change of these is what the trigger of the SQL table acts on."""


class MemoryPlans(Table[Plan]):
    """Plans."""

    kind, entity = "plan", Plan

    def all(self) -> Sequence[Plan]:
        """Every plan."""
        return [self.get(ident) for ident in self.rows]


class MemoryKeys(Table[BillingKey]):
    """Billing keys."""

    kind, entity = "billing key", BillingKey

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self._by_uid: dict[str, str] = {}
        self.looks = DueIndex()
        self.expiry_looks = DueIndex()

    def add(self, entity: BillingKey) -> None:
        """Store a new key. Raises Conflict when the customer_uid is already known."""
        known = self._by_uid.get(entity.customer_uid)
        if known is not None:
            problem = f"a billing key with this customer_uid already exists: {known}"
            raise Conflict(problem, field="customer_uid", existing_id=known)
        super().add(entity)

    def guard(self, before: BillingKey | None, after: BillingKey) -> None:  # noqa: ARG002 - one interface
        """Check: only a pending key has a next look, and an active key has the e-mail of its issuing payment."""
        if after.status is KeyStatus.ACTIVE and not after.email_agrees:
            raise GuardBroken(f"key {after.id} is active, and not as it was issued")
        if (after.issue_for is not None) != (after.issue_claim in (IssueUse.CHOSEN, IssueUse.COUNTED)):
            raise GuardBroken(f"what issued key {after.id} is {after.issue_claim} for {after.issue_for}")
        if after.expiry_look_at is not None and after.card_expires is None:
            raise GuardBroken(f"the month of key {after.id} is looked at, and not known")
        if after.next_look_at is not None and after.status is not KeyStatus.PENDING:
            raise GuardBroken(f"key {after.id} is looked at for nothing")

    def watch(self, before: BillingKey | None, after: BillingKey | None) -> None:
        """Index keys by customer_uid and by the next look, and plan what depends on their status."""
        if after is None:
            gone = either(before, after)
            del self._by_uid[gone.customer_uid]
            self.looks.set(gone.id, None)
            self.expiry_looks.set(gone.id, None)
            return
        self._by_uid[after.customer_uid] = after.id
        self.looks.set(after.id, after.next_look_at)
        self.expiry_looks.set(after.id, after.expiry_look_at)
        if before is None or before.status is not after.status:
            for invoice_id in self._rows.invoices.open_by_key[after.id]:
                self._rows.replan(invoice_id)
        self._rows.schedules.plan_all()

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of pending keys whose next look is due. Postpones their look to `lease_until`."""
        ids = self.looks.take(real_now, limit)
        for ident in ids:
            key = self.get(ident)
            key.next_look_at = lease_until
            self.save(key)
        return ids

    def claim_expiry_looks(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of keys whose month of expiry is to be looked at. Postpones the look to `lease_until`."""
        ids = self.expiry_looks.take(now, limit)
        for ident in ids:
            key = self.get(ident)
            key.expiry_look_at = lease_until
            self.save(key)
        return ids

    def with_customer_uid(self, customer_uid: str) -> BillingKey | None:
        """The key stored under this customer_uid."""
        found = self._by_uid.get(customer_uid)
        return None if found is None else self.get(found)

    def with_customer_uids(self, customer_uids: Sequence[str]) -> Mapping[str, str]:
        """Ids of the keys stored under these customer_uids, by these."""
        return {uid: self._by_uid[uid] for uid in customer_uids if uid in self._by_uid}

    def charging(self, key_id: str) -> Sequence[str]:
        """Ids of the subscriptions and single payments that this key still pays for, or is being charged for."""
        subscriptions, attempts = self._rows.subscriptions.rows.values(), self._rows.attempts
        found = {
            each.id
            for each in subscriptions
            if each.billing_key_id == key_id and each.status is not SubscriptionStatus.CANCELED
        }
        backed = [each for each in self._rows.fallbacks.rows.values() if each.billing_key_id == key_id]
        live = [each.subscription_id for each in backed if each.ended_at is None]
        found |= {
            each for each in live if self._rows.subscriptions.rows[each].status is not SubscriptionStatus.CANCELED
        }
        invoices = [self._rows.invoices.rows[ident] for ident in self._rows.invoices.open_by_key[key_id]]
        found |= {invoice.owner_id for invoice in invoices}
        for invoice_id, attempt_id in attempts.open_of.items():
            if attempts.rows[attempt_id].billing_key_id == key_id:
                found.add(self._rows.invoices.rows[invoice_id].owner_id)
        return sorted(found)

    def lock_all(self, key_ids: Sequence[str]) -> Sequence[BillingKey]:
        """These keys, in the order of their ids."""
        return [self.get(ident) for ident in sorted(key_ids)]

    lock_customer_uids: Any = Unserved()
    pg_providers: Any = Unserved()


class MemorySubscriptions(Table[Subscription]):
    """Subscriptions."""

    kind, entity = "subscription", Subscription

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self.renewals = DueIndex()
        self._leased: dict[str, datetime] = {}

    def guard(self, before: Subscription | None, after: Subscription) -> None:  # noqa: ARG002 - one interface
        """Check: only a canceled subscription has that time, and the plan and the key exist."""
        if (after.status is SubscriptionStatus.CANCELED) != (after.canceled_at is not None):
            raise GuardBroken(f"subscription {after.id} is {after.status}, canceled at {after.canceled_at}")
        if after.plan_id not in self._rows.plans.rows or after.billing_key_id not in self._rows.keys.rows:
            raise GuardBroken(f"subscription {after.id} names a plan or key that is not there")

    def watch(self, before: Subscription | None, after: Subscription | None) -> None:
        """Index subscriptions by the next renewal, and plan the schedules and invoices that depend on them."""
        if after is None:
            gone = either(before, after).id
            self.renewals.set(gone, None)
            self._rows.schedules.plan(gone)
            return
        self._leased.pop(after.id, None)
        if after.lease_until is not None:
            self._leased[after.id] = after.lease_until
        when = None
        if after.status in RENEWING and after.held_since is None:
            when = after.next_period_start
            if after.lease_until is not None and after.lease_until > when:
                when = after.lease_until
        self.renewals.set(after.id, when)
        self._rows.schedules.plan(after.id)
        if before is None or before.status is not after.status:
            for invoice_id in self._rows.invoices.open_by_owner[after.id]:
                self._rows.replan(invoice_id)

    def save(self, entity: Subscription) -> None:
        """Write the subscription back. The schedules of its coming periods are compared with what changed."""
        before = self.rows[entity.id]
        super().save(entity)
        changed = any(getattr(before, name) != getattr(entity, name) for name in WAKES_SCHEDULES)
        if entity.is_scheduled and changed:
            self._rows.schedules.wake(entity.id, entity.next_period_index)

    def live_twin(self, customer: str, plan_id: str) -> Subscription | None:
        """A live subscription of this customer on this plan."""
        for row in self.rows.values():
            live = row.status is not SubscriptionStatus.CANCELED
            if live and row.customer == customer and row.plan_id == plan_id:
                return self.get(row.id)
        return None

    def of_key(self, key_id: str) -> Sequence[Subscription]:
        """All subscriptions that are charged to this key, in the order in which they are locked: that of their ids."""
        return [self.get(ident) for ident in sorted(i for i, row in self.rows.items() if row.billing_key_id == key_id)]

    def claim_renewals(
        self, due: DueBetween, real_now: datetime, lease_until: datetime, limit: int, most: int | None = None
    ) -> Sequence[str]:
        """Ids whose next period is due and that no other worker has, leased to the caller."""

        def since(ident: str) -> datetime | None:
            when = self.rows[ident].next_period_start
            return when if due.after < when <= due.until else None

        self._leased = {ident: until for ident, until in self._leased.items() if until > real_now}
        room = min(limit if most is None else most, limit - len(self._leased))
        ids = self.renewals.take_of(real_now, room, since)
        for ident in ids:
            subscription = self.get(ident)
            subscription.lease_until = lease_until
            super().save(subscription)  # a lease changes nothing for its schedule
        return ids

    lock_pairs: Any = Unserved()
    of_keys_or_customers: Any = Unserved()
