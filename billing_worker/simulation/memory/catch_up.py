"""Late work in memory: late subscriptions, an operator's decisions, and the buckets that pace the work."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing_worker.domain.catch_up import BRIMFUL, CHARGES, Bucket, CatchUpMode, ServiceSpan
from billing_worker.domain.moment import Moment
from billing_worker.domain.subscription import RENEWING, Subscription
from billing_worker.ports.control import Chosen, Work
from billing_worker.simulation.memory.alerts import AlertTable
from billing_worker.simulation.memory.rows import Rows
from billing_worker.simulation.memory.tables import Entry, Table
from billing_worker.simulation.memory.unserved import Unserved


class Buckets(Table[Bucket]):
    """The buckets of late work."""

    kind, entity = "bucket", Bucket


class Spans(Table[ServiceSpan]):
    """The span of service."""

    kind, entity = "span", ServiceSpan


class MemoryCatchUp:
    """Late subscriptions and invoices."""

    def __init__(self, journal: list[Entry], rows: Rows, alerts: AlertTable) -> None:
        self._rows = rows
        self._alerts = alerts
        self.buckets = Buckets(journal)
        self.spans = Spans(journal)

    def decide(self, mode: CatchUpMode, before: datetime, until: datetime, chosen: Chosen) -> Mapping[str, int]:
        """Note an operator's decision and end the hold; returns the number of subscriptions by plan."""
        concerned: Counter[str] = Counter()
        for row in self._late(before, chosen):
            subscription = self._rows.subscriptions.get(row.id)
            subscription.held_since, subscription.catch_up_mode, subscription.catch_up_until = None, mode, until
            self._rows.subscriptions.save(subscription)
            concerned[row.plan_id] += 1
        return concerned

    def held(self, plan_id: str) -> int:
        """The number of subscriptions of a plan that wait for an operator."""
        rows = self._rows.subscriptions.rows.values()
        return sum(row.plan_id == plan_id and row.held_since is not None and row.status in RENEWING for row in rows)

    def waits(self, work: Work, before: datetime, moment: Moment) -> bool:
        """Whether there is unclaimed work of this kind that failed, or has been due since `before`."""
        others = self._rows
        if work is Work.RENEWALS:
            rows = others.subscriptions.rows
            return any(
                rows[ident].next_period_start <= before for ident in others.subscriptions.renewals.ripe(moment.real)
            )
        due = (others.invoices.rows[ident] for ident in others.invoices.due.ripe(moment.real))
        return any(row.is_due(before) or (row.is_due(moment.billing) and row.failures > 0) for row in due)

    def lock_bucket(self, work: Work, real_now: datetime, *, full: bool = False) -> Bucket:
        """The bucket; a new one, empty or full, if none is stored."""
        if work.value not in self.buckets.rows:
            self.buckets.add(Bucket(work.value, BRIMFUL if full else 0, real_now))
        return self.buckets.get(work.value)

    def save_bucket(self, bucket: Bucket) -> None:
        """Write the bucket back."""
        self.buckets.save(bucket)

    def service(self) -> ServiceSpan:
        """The span of service; an empty one if none was stored."""
        return self.spans.get(CHARGES) if CHARGES in self.spans.rows else ServiceSpan()

    def lock_service(self) -> ServiceSpan:
        """The same, stored."""
        if CHARGES not in self.spans.rows:
            self.spans.add(ServiceSpan())
        return self.spans.get(CHARGES)

    def save_service(self, span: ServiceSpan) -> None:
        """Write the span back."""
        self.spans.save(span)

    def _late(self, before: datetime, chosen: Chosen) -> list[Subscription]:
        return [
            row
            for row in self._rows.subscriptions.rows.values()
            if row.status in RENEWING
            and row.next_period_start <= before
            and not row.cancel_at_period_end
            and chosen.plan_id in (None, row.plan_id)
            and chosen.subscription_id in (None, row.id)
        ]

    late: Any = Unserved()
    answered: Any = Unserved()
    unasked: Any = Unserved()
