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

# A forged copy may come first, before there is a payment to find, so the genuine one must cause a read. A message that
# waits for its next try is tried now, since the copy may be the genuine one. But the gateway is read only once per
# window about one payment; a read always follows the last delivery.
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
"""A row that another transaction holds must not delay for long all rows stored with it."""

# Locked rows are left for the next time: a statement that waits for one row while it holds others can deadlock with
# another. A message that waits since a time after its delivery was reopened by an operator, and must be read again.
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

        One statement, always in the same order, so that two receivers that store the same messages never deadlock.
        """
        if not arrivals:
            return []
        counts = Counter((each.source, each.dedupe_key) for each in arrivals)
        # Of equal messages the first one counts, as if it had come earlier.
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
        """Close waiting webhooks about payments recorded as paid, but not those that an operator reopened."""
        return self._connection.execute(_CLOSE_ECHOES, {"real_now": real_now}).rowcount

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int, *, foreign: bool) -> Sequence[int]:
        """Ids of messages that wait to be applied, oldest first. Postpones them to `lease_until`."""
        wanted = {"real_now": real_now, "lease_until": lease_until, "limit": limit, "foreign": foreign}
        return list(self._connection.execute(_CLAIM_INBOX, wanted).scalars())

    def foreign_waits(self, real_now: datetime) -> bool:
        """Whether a foreign notification waits to be applied."""
        return bool(self._connection.execute(_FOREIGN_WAITS, {"real_now": real_now}).scalar_one())

    def read_since(self, merchant_uid: str, since: datetime, *, other_than: int) -> int:
        """The number of other notifications with this merchant_uid about which the gateway was read since then."""
        wanted = {"merchant_uid": merchant_uid, "since": since, "own": other_than}
        return int(self._connection.execute(_READ_SINCE, wanted).scalar_one())

    def list(self, sought: Sought, limit: int) -> Sequence[InboxMessage]:
        """Notifications, newest first."""
        return self._many(select(inbox).where(_matching(sought)).order_by(inbox.c.id.desc()).limit(limit))

    def count(self, sought: Sought) -> int:
        """The number of notifications."""
        return int(self._connection.execute(select(func.count()).where(_matching(sought))).scalar_one())

    def lock_some(self, sought: Sought, after: int, limit: int) -> Sequence[InboxMessage]:
        """Notifications with a higher id than `after`, by id, locked until the end of the transaction."""
        statement = select(inbox).where(_matching(sought), inbox.c.id > after)
        return self._many(statement.order_by(inbox.c.id).limit(limit).with_for_update())

    def let_go_foreign(self, before: datetime, real_now: datetime, note: str, limit: int) -> int:
        """Ignore foreign notifications that have waited since `before` or longer; returns their number."""
        wanted = {"before": before, "real_now": real_now, "note": note, "limit": limit}
        return self._connection.execute(_LET_GO, wanted).rowcount

    def forget(self, before: datetime, limit: int) -> int:
        """Delete applied and ignored ones that were received, and closed, before this; returns their number."""
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
    """Whether it has waited for an hour without an answer from the gateway, or for longer than all its tries take."""

    def longer(than: timedelta) -> Any:
        return real_now - than >= _SINCE

    waits = and_(inbox.c.status == InboxStatus.RECEIVED, ~inbox.c.is_foreign)
    return and_(waits, or_(and_(longer(UNANSWERED_FOR), inbox.c.tries == 0), longer(WAITING_FOR)))
