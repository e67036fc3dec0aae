"""Schedules at PortOne in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, String, bindparam, func, select, text, tuple_

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import schedules
from billing_worker.domain.schedule import Schedule
from billing_worker.domain.subscription import RENEWING

_UNSCHEDULED = text(f"""
    SELECT s.id FROM subscriptions s JOIN billing_keys k ON k.id = s.billing_key_id
    WHERE s.collection = 'portone_schedule' AND s.scheduled_index < s.next_period_index AND NOT s.cancel_at_period_end
      AND s.held_since IS NULL AND s.status IN ({", ".join(f"'{status}'" for status in sorted(RENEWING))})
      AND s.next_period_start > :after AND s.next_period_start <= :until AND k.status = 'active'
      AND (k.issue_imp_uid IS NULL OR k.issue_claim NOT IN ('open', 'chosen')
           OR k.issue_claim = 'chosen' AND k.issue_for <> s.id)
      AND NOT EXISTS (SELECT FROM stops t WHERE t.closed_at IS NULL
                      AND t.scope IN ('all', 'pg:' || k.pg_provider, 'subscription:' || s.id))
    ORDER BY s.next_period_start LIMIT :limit
""")  # noqa: S608 - words of an enum

_CLAIM_STEPS = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM schedules WHERE next_step_at <= :real_now
        ORDER BY next_step_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE schedules SET next_step_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")

_RAN_UNOPENED = text("""
    SELECT id FROM schedules s WHERE status = 'executed' AND schedule_at >= :start AND schedule_at < :end
      AND NOT EXISTS (SELECT FROM merchant_uids m WHERE m.merchant_uid = s.merchant_uid)
    ORDER BY schedule_at, id LIMIT :limit
""")


class SqlSchedules(Repository[Schedule]):
    """Schedules at PortOne."""

    table = schedules
    kind = "schedule"
    hydrate = staticmethod(rows.to_schedule)

    def with_merchant_uid(self, merchant_uid: str) -> Schedule | None:
        """The schedule with this order number."""
        found = self._many(select(schedules).where(schedules.c.merchant_uid == merchant_uid))
        return found[0] if found else None

    def of_periods(self, periods: Sequence[tuple[str, int]]) -> Sequence[Schedule]:
        """All schedules of these periods, each period's in the order of their generations."""
        if not periods:
            return []
        own = tuple_(schedules.c.subscription_id, schedules.c.period_index).in_(periods)
        return self._many(select(schedules).where(own).order_by(schedules.c.generation))

    def to_compare(self, start: datetime, end: datetime, merchant_uids: Sequence[str]) -> Sequence[Schedule]:
        """Schedules whose date lies in this span (half open), and those with these order numbers, in any state."""
        dated = (schedules.c.schedule_at >= start) & (schedules.c.schedule_at < end)
        named = schedules.c.merchant_uid == func.any(bindparam("uids", type_=ARRAY(String)))
        return self._many(select(schedules).where(dated | named), uids=list(merchant_uids))

    def ran_unopened(self, start: datetime, end: datetime, limit: int) -> Sequence[str]:
        """Ids of those that ran, whose date lies in this span (half open) and whose order no invoice has."""
        wanted = {"start": start, "end": end, "limit": limit}
        return list(self._connection.execute(_RAN_UNOPENED, wanted).scalars())

    def live_of_subscription(self, subscription_id: str) -> Sequence[Schedule]:
        """Its schedules by which PortOne may still charge, earliest date first."""
        own = (schedules.c.subscription_id == subscription_id) & schedules.c.closed_at.is_(None)
        return self._many(select(schedules).where(own).order_by(schedules.c.schedule_at, schedules.c.id))

    def unscheduled(self, after: datetime, until: datetime, limit: int) -> Sequence[str]:
        """Ids of subscriptions whose next period begins in this span and is to be registered, earliest first."""
        wanted = {"after": after, "until": until, "limit": limit}
        return list(self._connection.execute(_UNSCHEDULED, wanted).scalars())

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of live schedules whose next step is due, oldest first. Postpones the step to `lease_until`."""
        wanted = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_STEPS, wanted).scalars())
