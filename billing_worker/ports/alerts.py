"""What an operator must look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_worker.domain.alerts import AlertKind, Facts


@dataclass(frozen=True, slots=True)
class Alert:
    """Something an operator must look at."""

    id: int
    kind: str
    """One of AlertKind, unless a release that had other kinds opened it."""
    subject_id: str
    facts: Facts | None
    """What it says; None for one that an earlier release opened, which wrote sentences."""
    opened_at: datetime
    detail: str | None = None
    """The sentence that an earlier release wrote."""
    proposal: str | None = None
    """What that release proposed."""
    evidence_id: int | None = None
    """What the gateway said about it."""
    closed_at: datetime | None = None


class Alerts(Protocol):
    """Things an operator must look at."""

    def open(
        self, kind: AlertKind, subject_id: str, facts: Facts, now: datetime, *, evidence_id: int | None = None
    ) -> None:
        """Open an alert; the same kind and subject again only renews what it says."""

    def told(self, kind: AlertKind, subject_id: str, facts: Facts) -> bool:
        """Whether an alert of this kind and subject, open or closed, has said the same."""

    def get(self, alert_id: int) -> Alert:
        """The alert, open or closed. Raises NotFound."""

    def list_open(self, limit: int) -> Sequence[Alert]:
        """Open alerts, newest first."""

    def of_subject(self, subject_id: str) -> Sequence[Alert]:
        """Open alerts about one subject."""

    def close(self, kind: AlertKind, subject_id: str, now: datetime) -> None:
        """Close it, if it is open."""

    def close_one(self, alert_id: int, now: datetime) -> bool:
        """Close the alert with this id; False when it was closed already. Raises NotFound."""


class AlertRecords(Protocol):
    """What a transaction offers about alerts."""

    @property
    def alerts(self) -> Alerts:
        """Alerts."""
