"""Alerts and ways out in words, for an operator."""

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from billing_worker.domain.alert_rules import RULES, about, case_of
from billing_worker.domain.alerts import CASE, Action, AlertKind, Concerns, Fact, Severity, WayOut
from billing_worker.domain.language import Language
from billing_worker.ports.alerts import Alert
from billing_worker.texts.catalogue import catalogue
from billing_worker.texts.commands import command_of
from billing_worker.texts.words import Words

IDS = frozenset({"alert", *Concerns})
"""Facts that name the subject of an action."""

RECORDED = frozenset({"reason", "trouble", "problem", "note"})
"""Facts that are recorded reasons: quoted as they came, unless this worker wrote them."""


class Offer(Protocol):
    """A way out in words."""

    @property
    def text(self) -> str:
        """The advice."""

    @property
    def command(self) -> str | None:
        """The command for it; None if the operator acts elsewhere."""


@dataclass(frozen=True, slots=True)
class ShownAction:
    """A way out for a command line, or for a button in a console."""

    action: Action
    text: str
    command: str | None
    about: Mapping[str, Fact]
    """The ids for the button."""


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert in one language."""

    title: str
    severity: Severity
    detail: str
    actions: tuple[ShownAction, ...]
    proposal: str | None
    """All actions in one line."""


def shown(alert: Alert, language: Language) -> ShownAlert:
    """The alert in words. An alert of an earlier release keeps its sentence."""
    kind = AlertKind(alert.kind) if alert.kind in set(AlertKind) else None
    title = text(f"alert.{kind}.title", language) if kind is not None else alert.kind
    severity = RULES[kind].severity if kind is not None else Severity.WARNING
    if kind is None or alert.facts is None:
        return ShownAlert(title, severity, alert.detail or "", (), alert.proposal)
    known = {**about(kind, alert.subject_id, alert.facts), "alert": alert.id}
    actions = tuple(shown_action(WayOut(action, known), language) for action in case_of(kind, alert.facts).actions)
    return ShownAlert(title, severity, _detail(kind, known, language), actions, proposal(actions))


def line(alert: Alert, language: Language) -> str:
    """The alert in one line, for `why`."""
    words = shown(alert, language)
    return "; ".join(filter(None, (f"{alert.kind}: {words.detail}", words.proposal)))


def shown_action(way: WayOut, language: Language) -> ShownAction:
    """A way out in words."""
    ids = {name: fact for name, fact in way.about.items() if name in IDS}
    return ShownAction(way.action, text(f"action.{way.action}", language), command_of(way), ids)


def proposal(actions: Iterable[ShownAction]) -> str | None:
    """All advice in one line."""
    return "; ".join(_line(each) for each in actions) or None


def action_lines(actions: Iterable[Offer], otherwise: str | None = None) -> list[str]:
    """The advice, one line for each way out; without any, the proposal of an earlier release."""
    return [_line(each) for each in actions] or ([otherwise] if otherwise else [])


def _line(each: Offer) -> str:
    return each.text if each.command is None else f"{each.text}: {each.command}"


def ways_out(ways: Iterable[WayOut], language: Language) -> str:
    """The ways out in one line; empty if there are none."""
    return proposal(shown_action(way, language) for way in ways) or ""


def names_of(kind: AlertKind) -> list[str]:
    """The names of all texts of a kind."""
    details = [_name_of_detail(kind, case) for case in RULES[kind].cases]
    return [f"alert.{kind}.title", f"alert.{kind}.help", f"alert.{kind}.closes", *details]


def text(name: str, language: Language) -> str:
    """The text with this name. Raises KeyError."""
    return catalogue(language).gettext(name)


def _name_of_detail(kind: AlertKind, case: str) -> str:
    return f"alert.{kind}.detail" + (f".{case}" if case else "")


def _detail(kind: AlertKind, known: Mapping[str, Fact], language: Language) -> str:
    pattern = text(_name_of_detail(kind, str(known.get(CASE, ""))), language)
    words = {name: _word(name, fact, language) for name, fact in known.items()}
    return string.Formatter().vformat(pattern, (), words)


def _word(name: str, fact: Fact, language: Language) -> str:
    if fact is None:
        return text("none.key" if name == "key" else "none", language)
    if isinstance(fact, str) and name in RECORDED:
        return Words(language).reason(fact)
    return str(fact) if isinstance(fact, str | int) else ", ".join(fact)
