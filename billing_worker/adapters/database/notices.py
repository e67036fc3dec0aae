"""Notices to customers in PostgreSQL."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import subscriptions
from billing_worker.adapters.database.tables.notices import notice_marks, notices
from billing_worker.adapters.database.tables.schema import in_list
from billing_worker.domain.moment import Moment
from billing_worker.domain.notices.notice import WARNINGS, Channel, Notice, NoticeKind, NoticeStatus
from billing_worker.domain.notices.written import Cause
from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import RENEWING, Subscription
from billing_worker.ports.notices import Mark

_WARNED = in_list("earlier.kind", WARNINGS)

_WRITE = text(f"""
    INSERT INTO notices AS known (id, kind, channel, subject_id, step, customer, created_at, due_at, next_try_at,
                                  invoice_id, subscription_id, status, tries, fence, may_have_arrived)
    SELECT id, kind, channel, subject_id, step, customer, :now, due_at, due_at, invoice_id, subscription_id,
           'pending', 0, 0, false
    FROM jsonb_to_recordset(CAST(:notices AS jsonb)) AS told(place int, id text, kind text, channel text,
        subject_id text, step text, customer text, due_at timestamptz, invoice_id text, subscription_id text)
    WHERE kind <> 'recovered' OR EXISTS (
        SELECT FROM notices earlier
        WHERE earlier.subject_id = told.subject_id AND earlier.channel = told.channel AND {_WARNED})
    ORDER BY place
    ON CONFLICT (subject_id, kind, step, channel) DO UPDATE SET
        status = 'pending', created_at = excluded.created_at, due_at = excluded.due_at,
        next_try_at = excluded.next_try_at, closed_at = NULL, note = NULL, tries = 0, first_tried_at = NULL
    WHERE known.status = 'superseded' AND NOT known.may_have_arrived
""")  # noqa: S608 - no outside text in it

_CLAIM = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM notices
        WHERE status = 'pending' AND channel = :channel AND next_try_at <= :real_now
          AND (lease_until IS NULL OR lease_until <= :real_now)
        ORDER BY next_try_at, number LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE notices SET lease_until = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")

_CLAIM_EARLY = text("""
    UPDATE notices SET lease_until = :lease_until
    WHERE id = (
        SELECT id FROM notices
        WHERE status = 'pending' AND channel = :channel AND tries > 0 AND next_try_at > :real_now
          AND (lease_until IS NULL OR lease_until <= :real_now)
        ORDER BY fence, next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
""")

_RESUME = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM notices
        WHERE status = 'pending' AND channel = :channel AND tries > 0
          AND (sending_until IS NULL OR sending_until <= :real_now)
        FOR UPDATE SKIP LOCKED)
    UPDATE notices SET next_try_at = :real_now WHERE id IN (SELECT id FROM chosen)
""")

_FORGET = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM notices WHERE closed_at < :before ORDER BY closed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    DELETE FROM notices WHERE id IN (SELECT id FROM chosen)
""")

_RENEWING = text(f"{in_list('status', RENEWING)} AND held_since IS NULL")


class SqlNotices(Repository[Notice]):
    """Notices to customers."""

    table = notices
    kind = "notice"
    hydrate = staticmethod(rows.to_notice)

    def write(self, named: Sequence[tuple[str, Channel, Cause]], moment: Moment) -> None:
        """Store these, with one statement."""
        told: list[dict[str, Any]] = [
            {"place": place, "id": ident, "kind": cause.kind, "channel": channel, "step": cause.step}
            | {"subject_id": cause.subject_id, "customer": cause.customer, "invoice_id": cause.invoice_id}
            | {"subscription_id": cause.subscription_id, "due_at": (moment.real + cause.after).isoformat()}
            for place, (ident, channel, cause) in enumerate(named)
        ]
        self._connection.execute(_WRITE, {"notices": json.dumps(told), "now": moment.billing})

    def lock_waiting(self, notice: Notice, real_now: datetime) -> Sequence[Notice]:
        """Notices of its subject on its channel that wait and are due, in the order of writing, locked."""
        c = notices.c
        own = select(notices).where(
            c.subject_id == notice.subject_id,
            c.channel == notice.channel,
            c.status == NoticeStatus.PENDING,
            or_(c.due_at <= real_now, c.id == notice.id),
        )
        return self._many(own.order_by(c.number).with_for_update())

    def warned(self, notice: Notice) -> bool:
        """Whether a notice of a failure of its subject may have left by its channel."""
        c = notices.c
        own = (c.subject_id == notice.subject_id) & (c.channel == notice.channel)
        tried = select(c.id).where(own, c.kind.in_(WARNINGS), c.may_have_arrived).limit(1)
        return self._connection.execute(tried).scalar_one_or_none() is not None

    def of_subjects(self, idents: Sequence[str], limit: int) -> Sequence[Notice]:
        """Notices about these invoices or subscriptions, oldest first; of many, the newest."""
        c = notices.c
        own = select(notices).where(or_(c.subject_id.in_(idents), c.subscription_id.in_(idents)))
        return list(reversed(self._many(own.order_by(c.number.desc()).limit(limit))))

    def claim_due(self, channel: Channel, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of notices to send by this channel, longest wait first; leased to the caller."""
        wanted: dict[str, Any] = {"channel": channel.value, "real_now": real_now, "lease_until": lease_until}
        return list(self._connection.execute(_CLAIM, wanted | {"limit": limit}).scalars())

    def claim_early(self, channel: Channel, real_now: datetime, lease_until: datetime) -> Sequence[str]:
        """At most one refused notice that waits for a later time: a probe of the channel, another each time."""
        wanted = {"channel": channel.value, "real_now": real_now, "lease_until": lease_until}
        return list(self._connection.execute(_CLAIM_EARLY, wanted).scalars())

    def resume(self, channel: Channel, real_now: datetime) -> int:
        """Make refused notices of this channel due now, after an outage of it; returns their number."""
        return self._connection.execute(_RESUME, {"channel": channel.value, "real_now": real_now}).rowcount

    def under_way(self, channel: Channel, real_now: datetime) -> int:
        """The number of notices of this channel that are claimed or being sent."""
        statement = select(func.count()).where(notices.c.channel == channel, notices.c.lease_until > real_now)
        return int(self._connection.execute(statement).scalar_one())

    def forget(self, before: datetime, limit: int) -> int:
        """Delete notices whose delivery ended before this; returns their number."""
        return self._connection.execute(_FORGET, {"before": before, "limit": limit}).rowcount

    def lock_mark(self, plan_id: str, kind: NoticeKind, now: datetime) -> Mark:
        """The mark of a plan and a kind, locked; a new one stands at `now`."""
        new = {"id": f"{plan_id}:{kind}", "until": now, "last_id": ""}
        self._connection.execute(insert(notice_marks).values(new).on_conflict_do_nothing())
        own = select(notice_marks).where(notice_marks.c.id == new["id"]).with_for_update()
        return Mark(**self._connection.execute(own).mappings().one())

    def save_mark(self, mark: Mark) -> None:
        """Write the mark back."""
        own = notice_marks.update().where(notice_marks.c.id == mark.id)
        self._connection.execute(own.values(until=mark.until, last_id=mark.last_id))

    def next_charges(self, plan_id: str, mark: Mark, until: datetime, limit: int) -> Sequence[Subscription]:
        """Subscriptions of a plan whose next charge comes after the mark, up to `until`, soonest first."""
        c = subscriptions.c
        fitting = select(subscriptions).where(
            _RENEWING,
            c.next_period_start >= mark.until,
            c.next_period_start <= until,
            func.row(c.next_period_start, c.id) > func.row(mark.until, bindparam("last_id", mark.last_id)),
            c.plan_id == plan_id,
            ~c.cancel_at_period_end,
            c.collection != Collection.SHADOW,
        )
        found = self._connection.execute(fitting.order_by(c.next_period_start, c.id).limit(limit)).mappings()
        return [rows.to_subscription(dict(row)) for row in found]
