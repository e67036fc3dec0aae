"""Late work in PostgreSQL: late subscriptions, an operator's decisions, and the buckets that pace the work."""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.stops import SCOPE_OF_INVOICE
from billing_worker.adapters.database.tables.billing import subscriptions
from billing_worker.adapters.database.tables.control import catch_up_buckets, service_spans
from billing_worker.domain.catch_up import BRIMFUL, CHARGES, Bucket, CatchUpMode, ServiceSpan
from billing_worker.domain.moment import Moment
from billing_worker.domain.subscription import COLLECTING, RENEWING, Subscription
from billing_worker.ports.control import Chosen, Work

FETCHED_AT_ONCE = 2_000

_DECIDE = text("""
    UPDATE subscriptions SET held_since = NULL, catch_up_mode = :mode, catch_up_until = :until
    WHERE id IN (
        SELECT id FROM subscriptions
        WHERE status = ANY(:renewing) AND next_period_start <= :before AND NOT cancel_at_period_end
          AND plan_id = COALESCE(:plan_id, plan_id) AND id = COALESCE(:subscription_id, id)
        ORDER BY id FOR UPDATE)
    RETURNING plan_id
""")

_WAITS = {
    Work.RENEWALS: text("""
        SELECT EXISTS (
            SELECT FROM subscriptions
            WHERE status = ANY(:renewing) AND held_since IS NULL AND next_period_start <= :before
              AND (lease_until IS NULL OR lease_until <= :real_now))
    """),
    Work.INVOICES: text(f"""
        SELECT EXISTS (
            SELECT FROM invoices i
            LEFT JOIN subscriptions s ON s.id = i.subscription_id
            JOIN billing_keys k ON k.id = i.billing_key_id
            WHERE i.status = 'open' AND i.next_attempt_at <= :now AND (i.next_attempt_at <= :before OR i.failures > 0)
              AND (i.lease_until IS NULL OR i.lease_until <= :real_now)
              AND k.status <> 'pending' AND (i.subscription_id IS NULL OR s.status = ANY(:collecting))
              AND NOT EXISTS (SELECT FROM payment_attempts a
                              WHERE a.invoice_id = i.id AND a.status IN ('in_flight', 'unknown'))
              AND NOT EXISTS (SELECT FROM stops WHERE closed_at IS NULL AND scope = 'all')
              AND NOT EXISTS (SELECT FROM stops t WHERE t.closed_at IS NULL
                              AND t.scope IN ('pg:' || k.pg_provider, {SCOPE_OF_INVOICE})))
    """),  # noqa: S608 - made of constants
}

_ANSWERED = text("""
    SELECT subject_id FROM alerts
    WHERE kind = 'catch_up' AND closed_at IS NULL AND NOT EXISTS (
        SELECT FROM subscriptions
        WHERE plan_id = subject_id AND held_since IS NOT NULL AND status = ANY(:renewing))
""")

_UNASKED = text("""
    SELECT DISTINCT plan_id FROM subscriptions
    WHERE held_since IS NOT NULL AND status = ANY(:renewing) AND NOT EXISTS (
        SELECT FROM alerts WHERE kind = 'catch_up' AND subject_id = plan_id AND closed_at IS NULL)
""")


class _Buckets(Repository[Bucket]):
    table = catch_up_buckets
    kind = "bucket"
    hydrate = staticmethod(rows.to_bucket)


class _Spans(Repository[ServiceSpan]):
    table = service_spans
    kind = "span"
    hydrate = staticmethod(rows.to_service_span)


class SqlCatchUp:
    """Late subscriptions and invoices."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buckets = _Buckets(connection)
        self._spans = _Spans(connection)

    def late(self, before: datetime, chosen: Chosen) -> Generator[Subscription]:
        """Renewing subscriptions whose next period began at or before this, oldest first, a batch at a time."""
        table = subscriptions.c
        late = table.status.in_(RENEWING) & (table.next_period_start <= before) & ~table.cancel_at_period_end
        statement = select(subscriptions).where(late).order_by(table.next_period_start, table.id)
        if chosen.plan_id is not None:
            statement = statement.where(table.plan_id == chosen.plan_id)
        if chosen.subscription_id is not None:
            statement = statement.where(table.id == chosen.subscription_id)
        with self._connection.execute(statement, execution_options={"yield_per": FETCHED_AT_ONCE}) as found:
            for row in found.mappings():
                yield rows.to_subscription(dict(row))

    def decide(self, mode: CatchUpMode, before: datetime, until: datetime, chosen: Chosen) -> Mapping[str, int]:
        """Note an operator's decision and end the hold; returns the number of subscriptions by plan."""
        wanted: dict[str, Any] = {"mode": mode.value, "before": before, "until": until}
        wanted |= {"plan_id": chosen.plan_id, "subscription_id": chosen.subscription_id}
        found = self._connection.execute(_DECIDE, wanted | {"renewing": [str(s) for s in RENEWING]})
        return Counter(found.scalars())

    def held(self, plan_id: str) -> int:
        """The number of subscriptions of a plan that wait for an operator."""
        table = subscriptions.c
        here = (table.plan_id == plan_id) & table.held_since.is_not(None) & table.status.in_(RENEWING)
        return len(self._connection.execute(select(table.id).where(here)).all())

    def answered(self) -> Sequence[str]:
        """Plans whose alert is open although no subscription of theirs waits any more."""
        return list(self._connection.execute(_ANSWERED, {"renewing": [str(s) for s in RENEWING]}).scalars())

    def unasked(self) -> Sequence[str]:
        """Plans with a waiting subscription but no open alert: the alert was closed by hand."""
        return list(self._connection.execute(_UNASKED, {"renewing": [str(s) for s in RENEWING]}).scalars())

    def waits(self, work: Work, before: datetime, moment: Moment) -> bool:
        """Whether there is unclaimed work of this kind that failed, or has been due since `before`."""
        wanted: dict[str, Any] = {"before": before, "real_now": moment.real}
        if work is Work.RENEWALS:
            wanted["renewing"] = [str(s) for s in RENEWING]
        else:
            wanted |= {"now": moment.billing, "collecting": [str(s) for s in COLLECTING]}
        return bool(self._connection.execute(_WAITS[work], wanted).scalar_one())

    def lock_bucket(self, work: Work, real_now: datetime, *, full: bool = False) -> Bucket:
        """The bucket, locked until the end of the transaction; a new one, empty or full, if none is stored."""
        new = {"id": work.value, "millionths": BRIMFUL if full else 0, "filled_at": real_now}
        self._connection.execute(insert(catch_up_buckets).on_conflict_do_nothing(), new)
        return self._buckets.lock(work.value)

    def save_bucket(self, bucket: Bucket) -> None:
        """Write the bucket back."""
        self._buckets.save(bucket)

    def service(self) -> ServiceSpan:
        """The span of service as committed last; an empty one if none was."""
        return self._spans.find(CHARGES) or ServiceSpan()

    def lock_service(self) -> ServiceSpan:
        """The same, locked until the end of the transaction."""
        self._connection.execute(insert(service_spans).on_conflict_do_nothing(), asdict(ServiceSpan()))
        return self._spans.lock(CHARGES)

    def save_service(self, span: ServiceSpan) -> None:
        """Write the span back."""
        self._spans.save(span)
