"""The views of stops, alerts and actions."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.action import Action as Act
from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import Action, Fact, Facts, Severity, WayOut
from billing_worker.domain.language import Language
from billing_worker.domain.payment import Evidence
from billing_worker.domain.stop import Stop, StopCause
from billing_worker.ports.alerts import Alert
from billing_worker.texts.alerts import ShownAction, shown, shown_action
from billing_worker.texts.commands import command_of
from billing_worker.usecases.reading.views.evidence import EvidenceView, of_evidence
from billing_worker.usecases.reading.views.fields import INVOICE_ID, SUBSCRIPTION_ID, described, view_of

ABOUT: Facts = {"invoice": INVOICE_ID["examples"][0]}
RETRY = command_of(WayOut(Action.RETRY_INVOICE, ABOUT))


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
class WayOutView:
    """A way out: what an operator can do."""

    action: Action
    text: str = field(metadata=described(example="charge it again"))
    command: str | None = field(
        metadata=described(
            "The command for it; null if the operator acts elsewhere",
            example=RETRY,
        )
    )
    about: dict[str, Fact] = field(metadata=described("The ids that it needs, by name", example=ABOUT))


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """An alert for an operator."""

    id: int
    kind: str = field(metadata=described(example="mismatch"))
    severity: Severity
    title: str = field(metadata=described("The event, in a few words", example="Payment contradicts the order"))
    subject_id: str = field(metadata=described(example="att_0123456789abcdef"))
    detail: str
    facts: dict[str, Fact] | None = field(
        metadata=described(
            "Its facts by name; null for an alert of an earlier release",
            example={"reason": "the amount is another"},
        )
    )
    actions: list[WayOutView] = field(metadata=described("The ways out"))
    proposal: str | None = field(
        metadata=described(
            "The ways out, in one line",
            example=f"charge it again: {RETRY}",
        )
    )
    evidence_id: int | None = field(metadata=described("The gateway's answer; shown for a single alert"))
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetail(AlertView):
    """An alert with the gateway's answer about it."""

    evidence: EvidenceView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionView:
    """An action of an operator or a program."""

    id: int
    actor: str = field(metadata=described("`token:NAME`, `cli:USER`, or `worker` itself", example="token:shop"))
    verb: Verb
    subject_id: str = field(metadata=described("The id of the changed object", example=SUBSCRIPTION_ID["examples"][0]))
    at: datetime
    detail: str | None


def of_stop(stop: Stop, waiting: int) -> StopView:
    """The view of a stop, with the number of due invoices that wait there."""
    return view_of(StopView, stop, subjects=list(stop.subjects), waiting_invoices=waiting)


def of_way_out(way: WayOut, language: Language) -> WayOutView:
    """The view of a way out."""
    return _way_out(shown_action(way, language))


def _way_out(words: ShownAction) -> WayOutView:
    return view_of(WayOutView, words, about=dict(words.about))


def of_alert(alert: Alert, language: Language) -> AlertView:
    """The view of an alert in the reader's language."""
    words = shown(alert, language)
    return view_of(
        AlertView,
        alert,
        severity=words.severity,
        title=words.title,
        detail=words.detail,
        facts=None if alert.facts is None else dict(alert.facts),
        actions=[_way_out(each) for each in words.actions],
        proposal=words.proposal,
    )


def detail_of_alert(alert: Alert, evidence: Evidence | None, language: Language) -> AlertDetail:
    """The view of an alert with the gateway's answer."""
    return view_of(AlertDetail, of_alert(alert, language), evidence=of_evidence(evidence))


def of_action(action: Act) -> ActionView:
    """The view of an action."""
    return view_of(ActionView, action, id=action.id or 0)
