"""What an operator is told of alerts by a channel, and how often: few messages, however many alerts there are.

All that changed since the last message goes into one message. A kind of alert that the channel was not told of lately
is told within a minute. Repetitions wait: a minute first, then twice as long each time, up to an hour.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing_worker.domain.alert_rules import RULES
from billing_worker.domain.alerts import AlertKind, Severity

SHORTEST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)

LATELY = timedelta(hours=1)
"""A kind that was told within this time is no news."""

WHOLE = 5
"""Alerts that one message tells in full; of the others it gives the number."""

MOST_AT_ONCE = 20_000
"""Changes that one message sums up."""

KEPT_FOR = timedelta(days=2)
"""How long a change is kept after it was told."""

_URGENCY = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


class AlertChannel(StrEnum):
    """A way to the operator."""

    CHAT = "chat"
    """An address that takes `{"text": …}`, as Slack's incoming webhooks do."""
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert was opened, or was closed; one for each channel that tells it."""

    number: int
    alert_id: int
    kind: str
    is_open: bool
    changed_at: datetime
    """Real time."""


@dataclass(frozen=True, slots=True)
class Digest:
    """All changes of one message."""

    whole: tuple[int, ...]
    """The ids of open alerts that are told in full, the most urgent first."""
    opened: Mapping[str, int]
    """All alerts that opened and are open, by kind."""
    closed: Mapping[str, int]
    """Alerts that were told earlier and are closed, by kind."""
    passed: Mapping[str, int]
    """Alerts that opened and closed again since the last message, by kind."""


@dataclass(slots=True)
class AlertPace:
    """When a channel was told last, and who tells it now. All times are real."""

    id: str
    """The channel."""
    wait: timedelta = SHORTEST_WAIT
    """How long a repetition waits after the last message."""
    told_at: datetime | None = None
    lease_until: datetime | None = None
    """Until then a scan has handed it out, or a worker tells it."""
    sending_until: datetime | None = None
    fence: int = 0

    def is_its_turn(self, real_now: datetime, *, news: bool) -> bool:
        """Whether the channel is told now. `news` says that a kind waits which was not told lately."""
        if self.lease_until is not None and self.lease_until > real_now:
            return False
        wait = SHORTEST_WAIT if news else self.wait
        return self.told_at is None or real_now - self.told_at >= wait

    def begin(self, until: datetime) -> None:
        """Note that a worker tells it, until then at the latest."""
        self.fence += 1
        self.lease_until = self.sending_until = until

    def end(self, real_now: datetime, *, taken: bool) -> None:
        """Note how it ended. The wait doubles while there is always more to tell, and starts again after a silence."""
        self.lease_until = self.sending_until = None
        if taken:
            busy = self.told_at is not None and real_now - self.told_at < 2 * self.wait
            self.wait = min(2 * self.wait, LONGEST_WAIT) if busy else SHORTEST_WAIT
            self.told_at = real_now


def carries(channel: AlertChannel, kind: str, subject_id: str) -> bool:
    """Whether a channel tells such an alert. None tells of itself that it tells nothing: that would never end."""
    return not (kind == AlertKind.ALERTS_UNDELIVERED and subject_id == channel)


def is_news(waiting: Collection[str], lately: Collection[str]) -> bool:
    """Whether one of the kinds that opened and wait was not told lately."""
    return not set(waiting) <= set(lately)


def digest(changes: Sequence[AlertChange]) -> Digest:
    """What these changes come to, in the order in which they happened."""
    begun = {each.alert_id: each for each in changes if each.is_open}
    ended = {each.alert_id: each for each in changes if not each.is_open}
    opened = sorted((each for ident, each in begun.items() if ident not in ended), key=_urgency)
    return Digest(
        tuple(each.alert_id for each in opened[:WHOLE]),
        Counter(each.kind for each in opened),
        Counter(each.kind for ident, each in ended.items() if ident not in begun),
        Counter(each.kind for ident, each in begun.items() if ident in ended),
    )


def severity_of(kind: str) -> Severity:
    """The severity of a kind. One of an earlier release is a warning."""
    return RULES[AlertKind(kind)].severity if kind in set(AlertKind) else Severity.WARNING


def _urgency(change: AlertChange) -> tuple[int, int]:
    return _URGENCY[severity_of(change.kind)], change.number
