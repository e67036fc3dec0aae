"""The inbox in PostgreSQL."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, text

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.incoming import inbox
from billing_worker.domain.notification import READ_WINDOW, UNANSWERED_FOR, WAITING_FOR
from billing_worker.ports.incoming import Arrival, InboxMessage, InboxStatus, Sought, Stored

# A forged copy may have come first, before there was anything to find: the genuine one must not be mute. One that
# waits for its next try need not wait longer: the copy may be the genuine one. But about the same thing the gateway is
# read once in a window only; the last delivery is always followed by a read.
_ADD_ALL = text("""
    INSERT INTO inbox AS known (source, dedupe_key, payload, status, received_at, next_try_at, tries, deliveries,
                                is_foreign)
    SELECT source, dedupe_key, payload::jsonb, status, :real_now, next_try_at, 0, deliveries,
           source = 'portone' AND NOT EXISTS (
               SELECT FROM merchant_uids u WHERE u.merchant_uid = payload::jsonb ->> 'merchant_uid')
    FROM unnest(CAST(:sources AS text[]), CAST(:dedupe_keys AS text[]), CAST(:payloads AS text[]),
                CAST(:statuses AS text[]), CAST(:next_tries AS timestamptz[]), CAST(:deliveries AS integer[]))
         AS arrived (source, dedupe_key, payload, status, next_try_at, deliveries)
    ON CONFLICT (source, dedupe_key) DO UPDATE
    SET deliveries = known.deliveries + excluded.deliveries, status = excluded.status, tries = 0,
        is_foreign = excluded.is_foreign, last_received_at = :real_now, closed_at = NULL,
        waiting_since = CASE WHEN known.status = 'received' THEN known.waiting_since ELSE :real_now END,
        not_before = GREATEST(excluded.next_try_at, known.read_at + :window),
        next_try_at = CASE WHEN known.status = 'received' AND excluded.status = 'received'
                           THEN LEAST(known.next_try_at, GREATEST(excluded.next_try_at, known.read_at + :window))
                           ELSE GREATEST(excluded.next_try_at, known.read_at + :window) END
    RETURNING source, dedupe_key, id, is_foreign, next_try_at
""")

_NO_LONG_WAIT = text("SET LOCAL lock_timeout = '500ms'")
"""One row that somebody holds must not hold up for long all that are stored with it."""

# Rows that somebody holds are left for the next time: waiting for one while holding others is how two statements
# come to wait for each other. What waits since later than it came, an operator wants to have read again.
_CLOSE_ECHOES = text("""
    WITH chosen AS MATERIALIZED (
        SELECT m.id FROM inbox m
        JOIN payment_attempts a ON a.imp_uid = m.payload ->> 'imp_uid' AND a.merchant_uid = m.payload ->> 'merchant_uid'
        WHERE m.status = 'received' AND NOT m.is_foreign AND m.next_try_at <= :real_now AND m.source = 'portone'
          AND m.payload ->> 'status' = 'paid' AND a.status = 'approved'
          AND coalesce(m.waiting_since, m.received_at) <= coalesce(m.last_received_at, m.received_at)
        FOR UPDATE OF m SKIP LOCKED)
    UPDATE inbox SET status = 'applied', closed_at = :real_now,
                     note = 'the charge had been recorded from its own answer'
    WHERE id IN (SELECT id FROM chosen)
""")

_CLAIM_INBOX = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM inbox WHERE status = 'received' AND is_foreign = :foreign AND next_try_at <= :real_now
        ORDER BY next_try_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE inbox SET next_try_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")

_FOREIGN_WAITS = text("""
    SELECT EXISTS (SELECT FROM inbox WHERE status = 'received' AND is_foreign AND next_try_at <= :real_now)
""")

_READ_SINCE = text("""
    SELECT count(*) FROM inbox
    WHERE payload ->> 'merchant_uid' = :merchant_uid AND read_at IS NOT NULL AND read_at > :since AND id <> :own
""")

_LET_GO = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM inbox
        WHERE status = 'received' AND is_foreign AND coalesce(waiting_since, received_at) <= :before
        ORDER BY next_try_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE inbox SET status = 'ignored', closed_at = :real_now, note = :note
    WHERE id IN (SELECT id FROM chosen)
""")

_FORGET = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM inbox
        WHERE received_at < :before AND status <> 'received'
          AND coalesce(last_received_at, received_at) < :before AND coalesce(closed_at, received_at) < :before
        ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    DELETE FROM inbox WHERE id IN (SELECT id FROM chosen)
""")


class SqlInbox(Repository[InboxMessage]):
    """Notifications received and not yet applied."""

    table = inbox
    kind = "inbox message"
    hydrate = staticmethod(rows.to_inbox_message)

    def add_arrivals(self, arrivals: Sequence[Arrival], real_now: datetime) -> Sequence[Stored]:
        """Store them as if one after the other; the same one again counts, and takes this status.

        One statement, always in the same order: two receivers that store the same ones never wait for each other.
        """
        if not arrivals:
            return []
        counts = Counter((each.source, each.dedupe_key) for each in arrivals)
        # Of equal ones the first says what was told, as it does where it came earlier.
        first = {(each.source, each.dedupe_key): each for each in reversed(arrivals)}
        keys = sorted(counts)
        chosen = [first[key] for key in keys]
        values = {
            "real_now": real_now,
            "window": READ_WINDOW,
            "sources": [each.source for each in chosen],
            "dedupe_keys": [each.dedupe_key for each in chosen],
            "payloads": [json.dumps(each.payload) for each in chosen],
            "statuses": [each.status.value for each in chosen],
            "next_tries": [each.next_try_at for each in chosen],
            "deliveries": [counts[key] for key in keys],
        }
        self._connection.execute(_NO_LONG_WAIT)
        found = self._connection.execute(_ADD_ALL, values)
        stored = {(source, dedupe_key): Stored(*rest) for source, dedupe_key, *rest in found}
        return [stored[each.source, each.dedupe_key] for each in arrivals]

    def close_echoes(self, real_now: datetime) -> int:
        """Close waiting webhooks that call paid what is recorded as paid, but none that an operator opened again."""
        return self._connection.execute(_CLOSE_ECHOES, {"real_now": real_now}).rowcount

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int, *, foreign: bool) -> Sequence[int]:
        """Ids of messages that are still to be applied, oldest first; put off to `lease_until`."""
        wanted = {"real_now": real_now, "lease_until": lease_until, "limit": limit, "foreign": foreign}
        return list(self._connection.execute(_CLAIM_INBOX, wanted).scalars())

    def foreign_waits(self, real_now: datetime) -> bool:
        """Whether a foreign notification is to be applied."""
        return bool(self._connection.execute(_FOREIGN_WAITS, {"real_now": real_now}).scalar_one())

    def read_since(self, merchant_uid: str, since: datetime, *, other_than: int) -> int:
        """About how many other notifications that name this merchant_uid the gateway was read since then."""
        wanted = {"merchant_uid": merchant_uid, "since": since, "own": other_than}
        return int(self._connection.execute(_READ_SINCE, wanted).scalar_one())

    def list(self, sought: Sought, limit: int) -> Sequence[InboxMessage]:
        """Notifications, newest first."""
        return self._many(select(inbox).where(_matching(sought)).order_by(inbox.c.id.desc()).limit(limit))

    def count(self, sought: Sought) -> int:
        """How many there are."""
        return int(self._connection.execute(select(func.count()).where(_matching(sought))).scalar_one())

    def lock_some(self, sought: Sought, after: int, limit: int) -> Sequence[InboxMessage]:
        """Notifications with a higher id than `after`, in their order, locked until the end of the transaction."""
        statement = select(inbox).where(_matching(sought), inbox.c.id > after)
        return self._many(statement.order_by(inbox.c.id).limit(limit).with_for_update())

    def let_go_foreign(self, before: datetime, real_now: datetime, note: str, limit: int) -> int:
        """Ignore foreign notifications that wait since `before` or longer; returns how many."""
        wanted = {"before": before, "real_now": real_now, "note": note, "limit": limit}
        return self._connection.execute(_LET_GO, wanted).rowcount

    def forget(self, before: datetime, limit: int) -> int:
        """Delete applied and ignored ones that came, and were closed, before this; returns how many."""
        return self._connection.execute(_FORGET, {"before": before, "limit": limit}).rowcount


_SINCE = func.coalesce(inbox.c.waiting_since, inbox.c.received_at)


def _matching(sought: Sought) -> ColumnElement[bool]:
    conditions: list[Any] = [inbox.c.id.is_not(None)]
    if sought.status is not None:
        conditions.append(inbox.c.status == sought.status)
    if sought.source is not None:
        conditions.append(inbox.c.source == sought.source)
    if sought.foreign is not None:
        conditions.append(inbox.c.is_foreign == sought.foreign)
    if sought.since is not None:
        conditions.append(inbox.c.received_at >= sought.since)
    if sought.waits_since is not None:
        conditions.append(sought.waits_since >= _SINCE)
    if sought.stuck_at is not None:
        conditions.append(is_stuck(sought.stuck_at))
    return and_(*conditions)


def is_stuck(real_now: datetime) -> ColumnElement[bool]:
    """Waits for an hour and the gateway said nothing about it, or for longer than all its tries take."""

    def longer(than: timedelta) -> Any:
        return real_now - than >= _SINCE

    waits = and_(inbox.c.status == InboxStatus.RECEIVED, ~inbox.c.is_foreign)
    return and_(waits, or_(and_(longer(UNANSWERED_FOR), inbox.c.tries == 0), longer(WAITING_FOR)))
