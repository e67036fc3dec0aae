"""Alerts in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.review import alerts
from billing_worker.domain.alert_rules import checked
from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.ports.alerts import Alert

_OPEN = alerts.c.closed_at.is_(None)


class SqlAlerts(Repository[Alert]):
    """Alerts for operators."""

    table = alerts
    kind = "alert"
    hydrate = staticmethod(rows.to_alert)

    def open(
        self,
        kind: AlertKind,
        subject_id: str,
        facts: Facts,
        now: datetime,
        *,
        evidence_id: int | None = None,
    ) -> None:
        """Open an alert. If the same kind and subject is open, only renew its facts."""
        says = {"facts": checked(kind, facts), "detail": None, "proposal": None, "evidence_id": evidence_id}
        statement = upsert(alerts).on_conflict_do_update(
            index_elements=["kind", "subject_id"], index_where=alerts.c.closed_at.is_(None), set_=says
        )
        self._connection.execute(statement, says | {"kind": kind, "subject_id": subject_id, "opened_at": now})

    def has(self, kind: AlertKind, subject_id: str, facts: Facts) -> bool:
        """Whether an alert of this kind and subject, open or closed, has the same facts."""
        said = alerts.c.facts == checked(kind, facts)
        same = (alerts.c.kind == kind) & (alerts.c.subject_id == subject_id) & said
        return bool(self._connection.execute(select(exists().where(same))).scalar_one())

    def list_open(self, limit: int) -> Sequence[Alert]:
        """Open alerts, newest first."""
        statement = select(alerts).where(_OPEN).order_by(alerts.c.id.desc())
        return self._many(statement.limit(limit))

    def of_kind(self, kind: AlertKind) -> Sequence[Alert]:
        """Open alerts of one kind, oldest first."""
        return self._many(select(alerts).where(_OPEN & (alerts.c.kind == kind)).order_by(alerts.c.id))

    def of_subject(self, subject_id: str) -> Sequence[Alert]:
        """Open alerts about one subject."""
        return self._many(select(alerts).where(_OPEN & (alerts.c.subject_id == subject_id)).order_by(alerts.c.id))

    def close(self, kind: AlertKind, subject_id: str, now: datetime) -> None:
        """Close it, if it is open."""
        here = (alerts.c.subject_id == subject_id) & (alerts.c.kind == kind)
        self._connection.execute(update(alerts).where(_OPEN & here).values(closed_at=now))

    def close_one(self, alert_id: int, now: datetime) -> bool:
        """Close the alert with this id; False when it was already closed. Raises NotFound."""
        self.lock(alert_id)
        closed = self._connection.execute(update(alerts).where(_OPEN & (alerts.c.id == alert_id)).values(closed_at=now))
        return closed.rowcount == 1
