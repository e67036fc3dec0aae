"""What an operator must look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person must look at."""

    id: int
    kind: str
    subject_id: str
    detail: str
    opened_at: datetime
    proposal: str | None = None
    """What to do about it, in one line."""
    evidence_id: int | None = None
    """What the gateway said about it."""
    closed_at: datetime | None = None


class Alerts(Protocol):
    """Things a person must look at."""

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

    def told(self, kind: str, subject_id: str, detail: str) -> bool:
        """Whether an alert of this kind and subject has said the same, be it closed by now."""

    def get(self, alert_id: int) -> Alert:
        """The alert, open or closed. Raises NotFound."""

    def list_open(self, limit: int) -> Sequence[Alert]:
        """Open alerts, newest first."""

    def of_subject(self, subject_id: str) -> Sequence[Alert]:
        """Open alerts about one subject."""

    def close(self, kind: str, subject_id: str, now: datetime) -> None:
        """Close it, if it is open."""

    def close_one(self, alert_id: int, now: datetime) -> bool:
        """Close the alert with this id; False when it was closed already. Raises NotFound."""


class AlertRecords(Protocol):
    """What a transaction offers about alerts."""

    @property
    def alerts(self) -> Alerts:
        """Alerts."""
