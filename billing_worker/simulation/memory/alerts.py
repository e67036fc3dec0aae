"""Alerts in memory, as their SQL table stores them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from billing_worker.domain.alert_rules import checked
from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.moment import Moment
from billing_worker.ports.alerts import Alert
from billing_worker.simulation.memory.tables import Entry, Table, either
from billing_worker.simulation.memory.unserved import Unserved


class AlertTable(Table[Alert]):
    """Alerts, open and closed."""

    kind, entity = "alert", Alert

    def __init__(self, journal: list[Entry]) -> None:
        super().__init__(journal)
        self.open_ids: dict[tuple[str, str], int] = {}

    def watch(self, before: Alert | None, after: Alert | None) -> None:
        """Index alerts by kind and subject while open."""
        row = either(before, after)
        if after is not None and after.closed_at is None:
            self.open_ids[row.kind, row.subject_id] = row.id
        else:
            self.open_ids.pop((row.kind, row.subject_id), None)


class MemoryAlerts:
    """Alerts for operators."""

    def __init__(self, journal: list[Entry], tell: Callable[[Alert, Moment], None]) -> None:
        self.table = AlertTable(journal)
        self._tell = tell
        self._number = 0

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
        known = self.table.open_ids.get((kind, subject_id))
        if known is None:
            self._number += 1
            said = checked(kind, facts)
            new = Alert(self._number, kind, subject_id, said, moment.billing, evidence_id=evidence_id)
            self.table.add(new)
            self._tell(new, moment)
            return
        alert = self.table.get(known)
        self.table.save(replace(alert, facts=checked(kind, facts), evidence_id=evidence_id))

    def has(self, kind: AlertKind, subject_id: str, facts: Facts) -> bool:
        """Whether an alert of this kind and subject, open or closed, has the same facts."""
        said, rows = checked(kind, facts), self.table.rows.values()
        return any((row.kind, row.subject_id, row.facts) == (kind, subject_id, said) for row in rows)

    def list_open(self, limit: int) -> Sequence[Alert]:
        """Open alerts, newest first."""
        return [self.table.get(ident) for ident in sorted(self.table.open_ids.values(), reverse=True)[:limit]]

    def of_kind(self, kind: AlertKind) -> Sequence[Alert]:
        """Open alerts of one kind, oldest first."""
        own = [ident for (each, _), ident in self.table.open_ids.items() if each == kind]
        return [self.table.get(ident) for ident in sorted(own)]

    def of_subject(self, subject_id: str) -> Sequence[Alert]:
        """Open alerts about one subject."""
        own = [ident for (_, subject), ident in self.table.open_ids.items() if subject == subject_id]
        return [self.table.get(ident) for ident in sorted(own)]

    def close(self, kind: AlertKind, subject_id: str, moment: Moment) -> None:
        """Close it, if it is open, and tell it."""
        known = self.table.open_ids.get((kind, subject_id))
        if known is not None:
            closed = replace(self.table.get(known), closed_at=moment.billing)
            self.table.save(closed)
            self._tell(closed, moment)

    get: Any = Unserved()
    close_one: Any = Unserved()
    close_settled: Any = Unserved()
    close_shown: Any = Unserved()
    close_parted_twins: Any = Unserved()
