"""Inbox and alerts in PostgreSQL."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables import alerts, inbox
from billing_worker.ports import Alert, Arrival, InboxMessage

# A forged copy may have come first, before there was anything to find: the genuine one must not be mute. One that
# waits for its next try need not wait longer: the copy may be the genuine one.
_ADD_ALL = text("""
    INSERT INTO inbox AS known (source, dedupe_key, payload, status, received_at, next_try_at, tries, deliveries)
    SELECT source, dedupe_key, payload::jsonb, status, :real_now, next_try_at, 0, deliveries
    FROM unnest(CAST(:sources AS text[]), CAST(:dedupe_keys AS text[]), CAST(:payloads AS text[]),
                CAST(:statuses AS text[]), CAST(:next_tries AS timestamptz[]), CAST(:deliveries AS integer[]))
         AS arrived (source, dedupe_key, payload, status, next_try_at, deliveries)
    ON CONFLICT (source, dedupe_key) DO UPDATE
    SET deliveries = known.deliveries + excluded.deliveries, status = excluded.status, tries = 0,
        next_try_at = CASE WHEN known.status = 'received' AND excluded.status = 'received'
                           THEN LEAST(known.next_try_at, excluded.next_try_at) ELSE excluded.next_try_at END
    RETURNING id, source, dedupe_key
""")

_NO_LONG_WAIT = text("SET LOCAL lock_timeout = '500ms'")
"""One row that somebody holds must not hold up for long all that are stored with it."""

# Rows that somebody holds are left for the next time: waiting for one while holding others is how two statements
# come to wait for each other.
_CLOSE_ECHOES = text("""
    WITH chosen AS MATERIALIZED (
        SELECT m.id FROM inbox m
        JOIN payment_attempts a ON a.imp_uid = m.payload ->> 'imp_uid' AND a.merchant_uid = m.payload ->> 'merchant_uid'
        WHERE m.status = 'received' AND m.next_try_at <= :real_now AND m.source = 'portone'
          AND m.payload ->> 'status' = 'paid' AND a.status = 'approved'
        FOR UPDATE OF m SKIP LOCKED)
    UPDATE inbox SET status = 'applied', tries = tries + 1, note = 'the charge had been recorded from its own answer'
    WHERE id IN (SELECT id FROM chosen)
""")

_CLAIM_INBOX = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM inbox WHERE status = 'received' AND next_try_at <= :real_now
        ORDER BY next_try_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE inbox SET next_try_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")


class SqlInbox(Repository[InboxMessage]):
    """Notifications received and not yet applied."""

    table = inbox
    kind = "inbox message"
    hydrate = staticmethod(rows.to_inbox_message)

    def add_all(self, arrivals: Sequence[Arrival], real_now: datetime) -> Sequence[int]:
        """Store them as if one after the other; the same one again counts, and takes this status. Returns their ids.

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
            "sources": [each.source for each in chosen],
            "dedupe_keys": [each.dedupe_key for each in chosen],
            "payloads": [json.dumps(each.payload) for each in chosen],
            "statuses": [each.status.value for each in chosen],
            "next_tries": [each.next_try_at for each in chosen],
            "deliveries": [counts[key] for key in keys],
        }
        self._connection.execute(_NO_LONG_WAIT)
        stored = self._connection.execute(_ADD_ALL, values)
        ids = {(source, dedupe_key): int(ident) for ident, source, dedupe_key in stored}
        return [ids[each.source, each.dedupe_key] for each in arrivals]

    def close_echoes(self, real_now: datetime) -> int:
        """Close waiting webhooks that call paid what is recorded as paid; returns how many."""
        return self._connection.execute(_CLOSE_ECHOES, {"real_now": real_now}).rowcount

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[int]:
        """Ids of messages that are still to be applied, oldest first; put off to `lease_until`."""
        wanted = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_INBOX, wanted).scalars())


_OPEN = alerts.c.closed_at.is_(None)


class SqlAlerts(Repository[Alert]):
    """Things a person must look at."""

    table = alerts
    kind = "alert"
    hydrate = staticmethod(rows.to_alert)

    def open(
        self,
        kind: str,
        subject_id: str,
        detail: str,
        now: datetime,
        *,
        proposal: str | None = None,
        evidence_id: int | None = None,
    ) -> None:
        """Open an alert; the same kind and subject again only renews what it says."""
        says = {"detail": detail, "proposal": proposal, "evidence_id": evidence_id}
        statement = upsert(alerts).on_conflict_do_update(
            index_elements=["kind", "subject_id"], index_where=alerts.c.closed_at.is_(None), set_=says
        )
        self._connection.execute(statement, says | {"kind": kind, "subject_id": subject_id, "opened_at": now})

    def told(self, kind: str, subject_id: str, detail: str) -> bool:
        """Whether an alert of this kind and subject has said the same, be it closed by now."""
        same = (alerts.c.kind == kind) & (alerts.c.subject_id == subject_id) & (alerts.c.detail == detail)
        return bool(self._connection.execute(select(exists().where(same))).scalar_one())

    def list_open(self, limit: int) -> Sequence[Alert]:
        """Open alerts, newest first."""
        statement = select(alerts).where(_OPEN).order_by(alerts.c.id.desc())
        return self._many(statement.limit(limit))

    def of_subject(self, subject_id: str) -> Sequence[Alert]:
        """Open alerts about one subject."""
        return self._many(select(alerts).where(_OPEN & (alerts.c.subject_id == subject_id)).order_by(alerts.c.id))

    def close(self, kind: str, subject_id: str, now: datetime) -> None:
        """Close it, if it is open."""
        here = (alerts.c.subject_id == subject_id) & (alerts.c.kind == kind)
        self._connection.execute(update(alerts).where(_OPEN & here).values(closed_at=now))

    def close_one(self, alert_id: int, now: datetime) -> bool:
        """Close the alert with this id; False when it was closed already. Raises NotFound."""
        self.lock(alert_id)
        closed = self._connection.execute(update(alerts).where(_OPEN & (alerts.c.id == alert_id)).values(closed_at=now))
        return closed.rowcount == 1
