"""Alerts for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_worker.domain.alerts import AlertKind, Facts


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


class Alerts(Protocol):
    """Alerts for operators."""

    def open(
        self, kind: AlertKind, subject_id: str, facts: Facts, now: datetime, *, evidence_id: int | None = None
    ) -> None:
        """Open an alert. If the same kind and subject is open, only renew its facts."""

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

    def close(self, kind: AlertKind, subject_id: str, now: datetime) -> None:
        """Close it, if it is open."""

    def close_one(self, alert_id: int, now: datetime) -> bool:
        """Close the alert with this id; False when it was already closed. Raises NotFound."""


class AlertRecords(Protocol):
    """The records of alerts in a transaction."""

    @property
    def alerts(self) -> Alerts:
        """Alerts."""
