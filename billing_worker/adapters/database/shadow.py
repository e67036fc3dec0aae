"""Shadow mode in PostgreSQL."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import billing_keys, subscriptions
from billing_worker.adapters.database.tables.shadow import shadow_charges, shadow_days
from billing_worker.domain.schedule import Collection
from billing_worker.domain.shadow import ShadowCharge
from billing_worker.domain.subscription import SubscriptionStatus

_FILL = text("""
    INSERT INTO shadow_days (day)
    SELECT CAST(each AS date) FROM generate_series(
        (SELECT max(day) + 1 FROM shadow_days), CAST(:before AS date) - 1, interval '1 day') AS each
    ON CONFLICT DO NOTHING
""")

_CLAIM = text("""
    UPDATE shadow_days SET lease_until = :lease_until
    WHERE day = (SELECT day FROM shadow_days
                 WHERE compared_at IS NULL AND day < :before AND (lease_until IS NULL OR lease_until <= :real_now)
                 ORDER BY day LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING day
""")


class SqlShadow(Repository[ShadowCharge]):
    """What would have been charged, and the days that were compared."""

    table = shadow_charges
    kind = "shadow charge"
    hydrate = staticmethod(rows.to_shadow_charge)

    def add(self, entity: ShadowCharge) -> None:
        """Store a decision. A day that was compared already is compared again."""
        super().add(entity)
        opened = insert(shadow_days).values(day=entity.at.date())
        again = {"compared_at": None, "lease_until": None}
        self._connection.execute(opened.on_conflict_do_update(index_elements=["day"], set_=again))

    def save_all(self, entities: Sequence[ShadowCharge]) -> None:
        """Store the results: decisions are written back, and what only the old biller charged is new."""
        known = [each for each in entities if each.id in self._loaded]
        self.add_all([each for each in entities if each.id not in self._loaded])
        super().save_all(known)

    def claim_day(self, before: date, real_now: datetime, lease_until: datetime) -> date | None:
        """The oldest day before this one that is to be compared, leased to the caller; None if there is none."""
        self._connection.execute(_FILL, {"before": before})
        wanted = {"before": before, "real_now": real_now, "lease_until": lease_until}
        found: date | None = self._connection.execute(_CLAIM, wanted).scalar_one_or_none()
        return found

    def lock_day(self, day: date) -> bool:
        """Lock the day until the transaction ends; whether it is still to be compared."""
        open_day = select(shadow_days.c.day).where(shadow_days.c.day == day, shadow_days.c.compared_at.is_(None))
        return self._connection.execute(open_day.with_for_update()).first() is not None

    def close_day(self, day: date, real_now: datetime) -> None:
        """The day is compared."""
        closed = shadow_days.update().where(shadow_days.c.day == day)
        self._connection.execute(closed.values(compared_at=real_now))

    def decided_between(self, start: datetime, end: datetime) -> Sequence[tuple[ShadowCharge, str]]:
        """The decisions of this span that have no result, each with the customer_uid that would have been charged."""
        own = (shadow_charges.c.at >= start) & (shadow_charges.c.at < end) & shadow_charges.c.result.is_(None)
        charges = self._many(select(shadow_charges).where(own).order_by(shadow_charges.c.at, shadow_charges.c.id))
        uid_of = select(subscriptions.c.id, billing_keys.c.customer_uid).join(
            billing_keys, billing_keys.c.id == subscriptions.c.billing_key_id
        )
        wanted = subscriptions.c.id == func.any([each.subscription_id for each in charges])
        uids = {row[0]: row[1] for row in self._connection.execute(uid_of.where(wanted))} if charges else {}
        return [(each, uids[each.subscription_id]) for each in charges]

    def keys_in_shadow(self, customer_uids: Sequence[str], *, everything: bool) -> dict[str, str]:
        """Those of these customer_uids that only decisions are made for, each with the id of such a subscription."""
        found = (
            select(billing_keys.c.customer_uid, func.min(subscriptions.c.id))
            .join(subscriptions, subscriptions.c.billing_key_id == billing_keys.c.id)
            .where(billing_keys.c.customer_uid == func.any(list(customer_uids)))
            .where(subscriptions.c.status != SubscriptionStatus.CANCELED)
            .group_by(billing_keys.c.customer_uid)
        )
        if not everything:
            found = found.where(subscriptions.c.collection == Collection.SHADOW)
        return {row[0]: row[1] for row in self._connection.execute(found)} if customer_uids else {}

    def explained_by(self, imp_uids: Sequence[str]) -> frozenset[str]:
        """Those of these payments that another decision is explained by already."""
        found = select(shadow_charges.c.imp_uid).where(shadow_charges.c.imp_uid == func.any(list(imp_uids)))
        return frozenset(self._connection.execute(found).scalars()) if imp_uids else frozenset()
