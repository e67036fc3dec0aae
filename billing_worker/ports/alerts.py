"""Alerts for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.events import Event, of_alert
from billing_worker.domain.moment import Moment


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert for an operator."""

    id: int
    kind: str
    """One of AlertKind, unless an earlier release with other kinds opened it."""
    subject_id: str
    facts: Facts | None
    """Its facts; None for an alert of an earlier release, which stored sentences."""
    opened_at: datetime
    detail: str | None = None
    """The sentence that an earlier release wrote."""
    proposal: str | None = None
    """The proposal that an earlier release wrote."""
    evidence_id: int | None = None
    """The id of the gateway's answer about it."""
    closed_at: datetime | None = None


def event_of(alert: Alert) -> Event:
    """The event of what just happened to it: it was opened, or it was closed."""
    return of_alert(
        *(alert.id, alert.kind, alert.subject_id, alert.facts), opened_at=alert.opened_at, closed_at=alert.closed_at
    )


class Alerts(Protocol):
    """Alerts for operators."""

    def open(
        self, kind: AlertKind, subject_id: str, facts: Facts, moment: Moment, *, evidence_id: int | None = None
    ) -> None:
        """Open an alert, and tell it. If the same kind and subject is open, only renew its facts, and tell nothing."""

    def has(self, kind: AlertKind, subject_id: str, facts: Facts) -> bool:
        """Whether an alert of this kind and subject, open or closed, has the same facts."""

    def get(self, alert_id: int) -> Alert:
        """The alert, open or closed. Raises NotFound."""

    def list_open(self, limit: int) -> Sequence[Alert]:
        """Open alerts, newest first."""

    def of_kind(self, kind: AlertKind) -> Sequence[Alert]:
        """Open alerts of one kind, oldest first."""

    def of_subject(self, subject_id: str) -> Sequence[Alert]:
        """Open alerts about one subject."""

    def close(self, kind: AlertKind, subject_id: str, moment: Moment) -> None:
        """Close it, if it is open. Only a change of its state is told: `alert.closed`."""

    def close_one(self, alert_id: int, moment: Moment) -> bool:
        """Close the alert with this id; False when it was already closed. Raises NotFound."""

    def close_settled(self, moment: Moment) -> None:
        """Close those whose cause is gone: the payment was booked or settled, or the invoice is not owed any more."""

    def close_shown(self, shown: Sequence[str], given_back: Sequence[str], moment: Moment) -> None:
        """Close those about payments (imp_uid) that are readable now, and about foreign ones that were given back."""

    def close_parted_twins(self, moment: Moment) -> None:
        """Close those about twins that are none any more."""


class AlertRecords(Protocol):
    """The records of alerts in a transaction."""

    @property
    def alerts(self) -> Alerts:
        """Alerts."""
