"""Messages about alerts in words, for chat and mail."""

from collections import Counter
from collections.abc import Mapping, Sequence

from billing_worker.domain.alert_digest import Digest, severity_of
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.language import Language
from billing_worker.ports.alert_digest import AlertMessage
from billing_worker.ports.alerts import Alert
from billing_worker.texts.alerts import action_lines, shown, text
from billing_worker.texts.commands import PROGRAM


class AlertWords:
    """The wording of messages in one language."""

    def __init__(self, language: Language, environment: str) -> None:
        """`environment` distinguishes the installations of one operator."""
        self._language, self._name = language, f"{PROGRAM} {environment}"

    def words(self, ident: str, told: Digest, whole: Sequence[Alert]) -> AlertMessage:
        """The message, with these alerts in full."""
        more = Counter(told.opened) - Counter(each.kind for each in whole)
        parts = [self._whole(alert) for alert in whole]
        parts.append(self._counts("more", more))
        parts += [self._counts("closed", told.closed), self._counts("passed", told.passed)]
        parts.append(self._text("list", command=f"{PROGRAM} alert list"))
        return AlertMessage(ident, self._title(told, whole), "\n\n".join(filter(None, parts)) + "\n")

    def _title(self, told: Digest, whole: Sequence[Alert]) -> str:
        count = sum(told.opened.values())
        if not count:
            return self._text("title.closed", count=sum({**told.closed, **told.passed}.values()))
        first = self._kind(whole[0].kind) if whole else self._kind(next(iter(told.opened)))
        return self._text("title.one" if count == 1 else "title.many", title=first, count=count)

    def _whole(self, alert: Alert) -> str:
        words = shown(alert, self._language)
        head = self._text("alert", severity=self._severity(alert.kind), title=words.title, subject=alert.subject_id)
        return "\n".join([head, words.detail, *(f"- {line}" for line in action_lines(words.actions, words.proposal))])

    def _counts(self, name: str, counts: Mapping[str, int]) -> str:
        return "\n".join(
            self._text(name, severity=self._severity(kind), title=self._kind(kind), count=count)
            for kind, count in counts.items()
        )

    def _kind(self, kind: str) -> str:
        return text(f"alert.{kind}.title", self._language) if kind in set(AlertKind) else kind

    def _severity(self, kind: str) -> str:
        return text(f"severity.{severity_of(kind)}", self._language)

    def _text(self, which: str, **values: object) -> str:
        return text(f"alert_message.{which}", self._language).format(name=self._name, **values)
