"""Outbox and alerts in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.rows import Values
from billing_worker.adapters.database.tables import alerts, outbox
from billing_worker.domain.events import Event
from billing_worker.ports import Alert, OutboxMessage

_CLAIM_OUTBOX = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM outbox o
        WHERE delivered_at IS NULL AND next_try_at <= :real_now
          AND NOT EXISTS (SELECT FROM outbox earlier
                          WHERE earlier.subject_id = o.subject_id AND earlier.sequence < o.sequence
                            AND earlier.delivered_at IS NULL)
        ORDER BY sequence LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE outbox SET next_try_at = :lease_until
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id
""")


def _outbox_values(message: OutboxMessage) -> Values:
    values = rows.plain(message)
    event: Event = values.pop("event")
    return values | {"type": event.type, "subject_id": event.subject_id, "data": event.data}


class SqlOutbox(Repository[OutboxMessage]):
    """Events for the merchant."""

    table = outbox
    kind = "event"
    hydrate = staticmethod(rows.to_outbox_message)
    values = staticmethod(_outbox_values)

    def add_all(self, events: Sequence[tuple[str, Event]], now: datetime, real_now: datetime) -> None:
        """Store several in one statement."""
        messages = [OutboxMessage(message_id, event, now, real_now, 0, None, None) for message_id, event in events]
        self._connection.execute(self._insert, [_outbox_values(message) for message in messages])

    def latest(self, limit: int) -> Sequence[OutboxMessage]:
        """The newest events, newest first."""
        return self._many(select(outbox).order_by(outbox.c.sequence.desc()).limit(limit))

    def of_subject(self, ident: str, limit: int) -> Sequence[OutboxMessage]:
        """Events of one subscription, invoice or key, newest first."""
        about = (outbox.c.subject_id == ident) | (outbox.c.data["subscription_id"].astext == ident)
        return self._many(select(outbox).where(about).order_by(outbox.c.sequence.desc()).limit(limit))

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of messages to deliver, oldest first, at most one a subject; put off to `lease_until`."""
        wanted = {"real_now": real_now, "lease_until": lease_until, "limit": limit}
        return list(self._connection.execute(_CLAIM_OUTBOX, wanted).scalars())


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
