"""Notifications and alerts in memory, as their SQL tables keep them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from billing_worker.domain.payment import PaymentStatus
from billing_worker.ports import Alert, Arrival, Echo, InboxMessage, InboxStatus
from billing_worker.simulation.attempts import MemoryAttempts
from billing_worker.simulation.tables import DueIndex, Entry, Table, either

PORTONE = "portone"
RECORDED = "the charge had been recorded from its own answer"


class MemoryInbox(Table[InboxMessage]):
    """Notifications received and not yet applied."""

    kind, entity = "inbox message", InboxMessage

    def __init__(self, journal: list[Entry], attempts: MemoryAttempts) -> None:
        super().__init__(journal)
        self._attempts = attempts
        self._known: dict[tuple[str, str], int] = {}
        self._number = 0
        self.due = DueIndex()

    def add_all(self, arrivals: Sequence[Arrival], real_now: datetime) -> Sequence[int]:
        """Store them as if one after the other; the same one again counts, and takes this status. Returns their ids."""
        return [self._store(arrival, real_now) for arrival in arrivals]

    def _store(self, arrival: Arrival, real_now: datetime) -> int:
        source, dedupe_key = arrival.source, arrival.dedupe_key
        status, next_try_at = arrival.status, arrival.next_try_at
        known = self._known.get((source, dedupe_key))
        if known is None:
            self._number += 1
            number, payload = self._number, arrival.payload
            message = InboxMessage(
                number, source, dedupe_key, payload, status, real_now, next_try_at, tries=0, deliveries=1, note=None
            )
            self.add(message)
            return number
        message = self.get(known)
        waits = message.status is InboxStatus.RECEIVED and status is InboxStatus.RECEIVED
        message.next_try_at = min(message.next_try_at, next_try_at) if waits else next_try_at
        message.deliveries, message.status, message.tries = message.deliveries + 1, status, 0
        self.save(message)
        return known

    def watch(self, before: InboxMessage | None, after: InboxMessage | None) -> None:
        """By source and dedupe key, and by the next try."""
        if after is None:
            gone = either(before, after)
            del self._known[gone.source, gone.dedupe_key]
            self.due.set(gone.id, None)
            return
        self._known[after.source, after.dedupe_key] = after.id
        self.due.set(after.id, after.next_try_at if after.status is InboxStatus.RECEIVED else None)

    def close_echoes(self, real_now: datetime) -> int:
        """Close waiting webhooks that call paid what is recorded as paid; returns how many."""
        closed = 0
        waiting = self.due.take(real_now, len(self.due.times))
        for ident in waiting:
            message = self.get(ident)
            said = message.payload
            if message.source == PORTONE and said["status"] == PaymentStatus.PAID:
                echo = self._attempts.echo_of(said["imp_uid"], said["merchant_uid"])
                if echo is Echo.RECORDED:
                    message.status, message.note = InboxStatus.APPLIED, RECORDED
                    message.tries += 1
                    self.save(message)
                    closed += 1
                    continue
            self.due.put_back(ident)
        return closed

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[int]:
        """Ids of messages that are still to be applied, oldest first; put off to `lease_until`."""
        ids = self.due.take(real_now, limit)
        for ident in ids:
            message = self.get(ident)
            message.next_try_at = lease_until
            self.save(message)
        return ids


class AlertTable(Table[Alert]):
    """Alerts, open and closed."""

    kind, entity = "alert", Alert

    def __init__(self, journal: list[Entry]) -> None:
        super().__init__(journal)
        self.open_ids: dict[tuple[str, str], int] = {}

    def watch(self, before: Alert | None, after: Alert | None) -> None:
        """By kind and subject while open."""
        row = either(before, after)
        if after is not None and after.closed_at is None:
            self.open_ids[row.kind, row.subject_id] = row.id
        else:
            self.open_ids.pop((row.kind, row.subject_id), None)


class MemoryAlerts:
    """Things a person must look at."""

    def __init__(self, journal: list[Entry]) -> None:
        self.table = AlertTable(journal)
        self._number = 0

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
        known = self.table.open_ids.get((kind, subject_id))
        if known is None:
            self._number += 1
            self.table.add(Alert(self._number, kind, subject_id, detail, now, proposal, evidence_id))
            return
        alert = self.table.get(known)
        self.table.save(replace(alert, detail=detail, proposal=proposal, evidence_id=evidence_id))

    def told(self, kind: str, subject_id: str, detail: str) -> bool:
        """Whether an alert of this kind and subject has said the same, be it closed by now."""
        rows = self.table.rows.values()
        return any((row.kind, row.subject_id, row.detail) == (kind, subject_id, detail) for row in rows)

    def get(self, alert_id: int) -> Alert:
        """The alert, open or closed. Raises NotFound."""
        return self.table.get(alert_id)

    def list_open(self, limit: int) -> Sequence[Alert]:
        """Open alerts, newest first."""
        return [self.table.get(ident) for ident in sorted(self.table.open_ids.values(), reverse=True)[:limit]]

    def of_subject(self, subject_id: str) -> Sequence[Alert]:
        """Open alerts about one subject."""
        own = [ident for (_, subject), ident in self.table.open_ids.items() if subject == subject_id]
        return [self.table.get(ident) for ident in sorted(own)]

    def close(self, kind: str, subject_id: str, now: datetime) -> None:
        """Close it, if it is open."""
        known = self.table.open_ids.get((kind, subject_id))
        if known is not None:
            self.table.save(replace(self.table.get(known), closed_at=now))

    def close_one(self, alert_id: int, now: datetime) -> bool:
        """Close the alert with this id; False when it was closed already. Raises NotFound."""
        alert = self.table.get(alert_id)
        if alert.closed_at is not None:
            return False
        self.table.save(replace(alert, closed_at=now))
        return True
