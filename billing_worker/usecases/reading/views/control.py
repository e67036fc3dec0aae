"""What is shown of stops, alerts and actions."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.action import Action, Verb
from billing_worker.domain.payment import Evidence
from billing_worker.domain.stop import Stop, StopCause
from billing_worker.ports.alerts import Alert
from billing_worker.usecases.reading.views.evidence import EvidenceView, of_evidence
from billing_worker.usecases.reading.views.fields import SUBSCRIPTION_ID, described, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StopView:
    """A stop."""

    id: int
    scope: str
    cause: StopCause
    reason: str
    subjects: list[str] = field(
        metadata=described("What it is about: breaches, or invoices", example=["inv_0123456789abcdef"])
    )
    waiting_invoices: int = field(metadata=described("Due invoices that wait there now"))
    opened_at: datetime
    closed_at: datetime | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """Something that an operator must look at."""

    id: int
    kind: str = field(metadata=described(example="mismatch"))
    subject_id: str = field(metadata=described(example="att_0123456789abcdef"))
    detail: str
    proposal: str | None = field(
        metadata=described("What to do about it, in one line", example="see the runbook: docs/runbook.md")
    )
    evidence_id: int | None = field(metadata=described("What the gateway said; the alert by itself shows it"))
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetail(AlertView):
    """An alert with what the gateway said about it."""

    evidence: EvidenceView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionView:
    """What an operator or a program did."""

    id: int
    actor: str = field(metadata=described("`token:NAME`, `cli:USER`, or `worker` itself", example="token:shop"))
    verb: Verb
    subject_id: str = field(metadata=described("What it was done to", example=SUBSCRIPTION_ID["examples"][0]))
    at: datetime
    detail: str | None


def of_stop(stop: Stop, waiting: int) -> StopView:
    """The view of a stop, with the number of due invoices that wait there."""
    return view_of(StopView, stop, subjects=list(stop.subjects), waiting_invoices=waiting)


def of_alert(alert: Alert) -> AlertView:
    """The view of an alert."""
    return view_of(AlertView, alert)


def detail_of_alert(alert: Alert, evidence: Evidence | None) -> AlertDetail:
    """The view of an alert with what the gateway said."""
    return view_of(AlertDetail, of_alert(alert), evidence=of_evidence(evidence))


def of_action(action: Action) -> ActionView:
    """The view of an action that was written down."""
    return view_of(ActionView, action, id=action.id or 0)
