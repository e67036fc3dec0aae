"""Alerts in PostgreSQL."""
# ruff: noqa: S608 - the statements are made of constants

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, column, exists, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from billing_worker.adapters.database import rows, twins
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.review import alerts
from billing_worker.domain.alert_rules import checked
from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.moment import Moment
from billing_worker.ports.alerts import Alert

_OPEN = alerts.c.closed_at.is_(None)
_SAME = "RETURNING alerts.*"
_TYPES: Mapping[str, Any] = {each.name: each.type for each in alerts.c}

_CLOSE_SETTLED = (
    text(f"""
    UPDATE alerts SET closed_at = :now FROM payment_attempts a
    WHERE alerts.kind = 'orphan_payment' AND alerts.closed_at IS NULL
      AND a.imp_uid = alerts.subject_id AND a.status = 'approved' {_SAME}
    """),
    text(f"""
    UPDATE alerts SET closed_at = :now FROM payment_attempts a
    WHERE alerts.kind = 'mismatch' AND alerts.closed_at IS NULL
      AND a.id = alerts.subject_id AND a.closed_at >= alerts.opened_at {_SAME}
    """),
    text(f"""
    UPDATE alerts SET closed_at = :now FROM invoices i
    WHERE alerts.kind IN ('not_placed', 'taken_back') AND alerts.closed_at IS NULL
      AND i.id = alerts.subject_id AND i.status <> 'open' {_SAME}
    """),
)

_CLOSE_SHOWN = text(f"""
    UPDATE alerts SET closed_at = :now
    WHERE closed_at IS NULL
      AND (kind = 'unreadable_payment' AND subject_id = ANY(:shown)
           OR kind IN ('orphan_payment', 'foreign_payment', 'issued_twice') AND subject_id = ANY(:given_back)) {_SAME}
""")

_CLOSE_PARTED = text(f"{twins.PART} {_SAME}")

Announce = Callable[[Sequence[Alert], Moment], None]
"""Announces that these alerts were opened or closed, in the same transaction."""


class SqlAlerts(Repository[Alert]):
    """Alerts for operators."""

    table = alerts
    kind = "alert"
    hydrate = staticmethod(rows.to_alert)

    announce: Announce
    """Set by the unit of work."""

    def open(
        self,
        kind: AlertKind,
        subject_id: str,
        facts: Facts,
        moment: Moment,
        *,
        evidence_id: int | None = None,
    ) -> None:
        """Open an alert, and tell it. If the same kind and subject is open, only renew its facts, and tell nothing."""
        kept = checked(kind, facts)
        says = {"facts": kept, "detail": None, "proposal": None, "evidence_id": evidence_id}
        statement = upsert(alerts).on_conflict_do_update(
            index_elements=["kind", "subject_id"], index_where=alerts.c.closed_at.is_(None), set_=says
        )
        # A row that this statement inserted was deleted or locked by none (xmax).
        returning = statement.returning(alerts.c.id, (column("xmax", is_literal=True) == text("0")).label("is_new"))
        new = says | {"kind": kind, "subject_id": subject_id, "opened_at": moment.billing}
        row = self._connection.execute(returning, new).one()
        if row.is_new:
            self.announce([Alert(row.id, kind, subject_id, kept, moment.billing)], moment)

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

    def close(self, kind: AlertKind, subject_id: str, moment: Moment) -> None:
        """Close it, if it is open, and tell it."""
        here = (alerts.c.subject_id == subject_id) & (alerts.c.kind == kind)
        self._close(update(alerts).where(_OPEN & here).values(closed_at=moment.billing).returning(alerts), {}, moment)

    def close_one(self, alert_id: int, moment: Moment) -> bool:
        """Close the alert with this id; False when it was already closed. Raises NotFound."""
        self.lock(alert_id)
        here = _OPEN & (alerts.c.id == alert_id)
        return self._close(update(alerts).where(here).values(closed_at=moment.billing).returning(alerts), {}, moment)

    def close_settled(self, moment: Moment) -> None:
        """Close those whose cause is gone: the payment was booked or settled, or the invoice is not owed any more."""
        for statement in _CLOSE_SETTLED:
            self._close(statement.columns(**_TYPES), {"now": moment.billing}, moment)

    def close_shown(self, shown: Sequence[str], given_back: Sequence[str], moment: Moment) -> None:
        """Close those about payments (imp_uid) that are readable now, and about foreign ones that were given back."""
        wanted = {"shown": list(shown), "given_back": list(given_back), "now": moment.billing}
        self._close(_CLOSE_SHOWN.columns(**_TYPES), wanted, moment)

    def close_parted_twins(self, moment: Moment) -> None:
        """Close those about twins that are none any more."""
        self._close(_CLOSE_PARTED.columns(**_TYPES), {"now": moment.billing}, moment)

    def _close(self, statement: Executable, wanted: Mapping[str, Any], moment: Moment) -> bool:
        """Close by this statement, which returns the alerts; whether it closed any."""
        closed = [rows.to_alert(dict(row)) for row in self._connection.execute(statement, wanted).mappings()]
        if closed:
            self.announce(sorted(closed, key=lambda each: each.id), moment)
        return bool(closed)
