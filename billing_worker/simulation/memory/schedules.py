"""Schedules at PortOne in memory, with the constraints of their SQL table."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.schedule import AHEAD, AT_ONCE, Collection, Schedule, ScheduleStatus
from billing_worker.domain.subscription import RENEWING, Subscription
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import DueIndex, DueTogether, Entry, GuardBroken, Table, either


class MemorySchedules(Table[Schedule]):
    """Schedules at PortOne."""

    kind, entity = "schedule", Schedule

    def __init__(self, journal: list[Entry], rows: Rows) -> None:
        super().__init__(journal)
        self._rows = rows
        self.steps = DueIndex()
        self.coming = DueIndex()
        """Subscriptions whose next period is to be registered, from the time at which it is near."""
        self.work = DueTogether(self.steps, self.coming)
        """What the scan of schedules looks for: both."""
        self._by_period: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        self._by_merchant_uid: dict[str, str] = {}

    def guard(self, before: Schedule | None, after: Schedule) -> None:
        """Check one live schedule a period, an order number once, and that a closed one has no step."""
        if after.is_live != (after.closed_at is None) or (after.closed_at is not None and after.next_step_at):
            raise GuardBroken(f"schedule {after.id} is {after.status}, closed at {after.closed_at}")
        others = [self.rows[each] for each in self._by_period[after.subscription_id, after.period_index]]
        others = [each for each in others if each.id != after.id]
        if after.is_live and any(each.is_live for each in others):
            raise GuardBroken(f"period {after.period_index} of {after.subscription_id} has two live schedules")
        if before is None and any(each.generation == after.generation for each in others):
            raise GuardBroken(f"period {after.period_index} has two schedules {after.generation}")
        if self._by_merchant_uid.get(after.merchant_uid, after.id) != after.id:
            raise GuardBroken(f"order {after.merchant_uid} is scheduled twice")

    def watch(self, before: Schedule | None, after: Schedule | None) -> None:
        """Index schedules by the next step, the period and the order number."""
        row = either(before, after)
        own = self._by_period[row.subscription_id, row.period_index]
        if before is None:
            own.append(row.id)
            self._by_merchant_uid[row.merchant_uid] = row.id
        if after is None:
            own.remove(row.id)
            del self._by_merchant_uid[row.merchant_uid]
        self.steps.set(row.id, None if after is None else after.next_step_at)

    def with_merchant_uid(self, merchant_uid: str) -> Schedule | None:
        """The schedule with this order number."""
        found = self._by_merchant_uid.get(merchant_uid)
        return None if found is None else self.get(found)

    def of_periods(self, periods: Sequence[tuple[str, int]]) -> Sequence[Schedule]:
        """All schedules of these periods, each period's in the order of their generations."""
        found = [self.get(ident) for period in periods for ident in self._by_period.get(period, ())]
        return sorted(found, key=lambda each: each.generation)

    def to_compare(self, start: datetime, end: datetime, merchant_uids: Sequence[str]) -> Sequence[Schedule]:
        """Schedules whose date lies in this span (half open), and those with these order numbers, in any state."""
        named = {self._by_merchant_uid.get(uid) for uid in merchant_uids}
        rows = [row.id for row in self.rows.values() if start <= row.schedule_at < end or row.id in named]
        return [self.get(ident) for ident in rows]

    def ran_unopened(self, start: datetime, end: datetime, limit: int) -> Sequence[str]:
        """Ids of those that ran, whose date lies in this span (half open) and whose order no invoice has."""
        orders = self._rows.invoices.order_ids.rows
        ran = [
            row
            for row in self.rows.values()
            if row.status is ScheduleStatus.EXECUTED and row.merchant_uid not in orders
        ]
        found = sorted((row.schedule_at, row.id) for row in ran if start <= row.schedule_at < end)
        return [ident for _, ident in found[:limit]]

    def live_of_subscription(self, subscription_id: str) -> Sequence[Schedule]:
        """Its schedules by which PortOne may still charge, earliest date first."""
        own = (row for row in self.rows.values() if row.subscription_id == subscription_id and row.is_live)
        return [self.get(row.id) for row in sorted(own, key=lambda row: (row.schedule_at, row.id))]

    def unscheduled(self, after: datetime, until: datetime, limit: int) -> Sequence[str]:
        """Ids of subscriptions whose next period begins in this span and is to be registered, earliest first."""
        rows = [row for row in self._rows.subscriptions.rows.values() if self._is_unscheduled(row)]
        for row in rows:
            if row.next_period_start <= after:
                self.coming.set(row.id, None)  # too near, and it comes no nearer
        found = [row for row in rows if after < row.next_period_start <= until]
        return [row.id for row in sorted(found, key=lambda row: row.next_period_start)[:limit]]

    def plan(self, subscription_id: str) -> None:
        """Plan again when the next period of this subscription is to be registered, after a change that decides it."""
        row = self._rows.subscriptions.rows.get(subscription_id)
        due = row is not None and self._is_unscheduled(row)
        self.coming.set(subscription_id, row.next_period_start - AHEAD if row is not None and due else None)

    def plan_all(self) -> None:
        """Plan again for all subscriptions that PortOne's schedule collects."""
        for row in self._rows.subscriptions.rows.values():
            if row.collection is Collection.PORTONE_SCHEDULE:
                self.plan(row.id)

    def _is_unscheduled(self, row: Subscription) -> bool:
        if row.collection is not Collection.PORTONE_SCHEDULE or row.is_scheduled or row.cancel_at_period_end:
            return False
        if row.held_since is not None or row.status not in RENEWING:
            return False
        key = self._rows.keys.rows[row.billing_key_id]
        if key.undecided_issue(row.id) is not None:
            return False
        return key.status is KeyStatus.ACTIVE and not self._rows.stops.holding(row.id, key.pg_provider)

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of live schedules whose next step is due, oldest first. Postpones the step to `lease_until`."""
        ids = self.steps.take(real_now, limit)
        for ident in ids:
            schedule = self.get(ident)
            schedule.next_step_at = lease_until
            self.save(schedule)
        return ids

    def wake(self, subscription_id: str, period_index: int) -> None:
        """Compare registered schedules, from this period on, at once with their subscription, which has changed."""
        while own := self._by_period.get((subscription_id, period_index)):
            period_index += 1
            for schedule in [self.get(ident) for ident in own]:
                if schedule.status is ScheduleStatus.REGISTERED:
                    schedule.next_step_at = AT_ONCE
                    self.save(schedule)
