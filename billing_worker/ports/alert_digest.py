"""Messages about alerts to the operator, and the ways by which they leave."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_worker.domain.alert_digest import AlertChange, AlertChannel, AlertPace, Digest
from billing_worker.ports.alerts import Alert
from billing_worker.ports.outgoing import Address, Refusal


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One message, ready to leave."""

    id: str
    title: str
    text: str


class AlertMessenger(Protocol):
    """Sends messages by one channel."""

    @property
    def address(self) -> Address:
        """Where they are handed over, without what is secret in it."""

    def send(self, message: AlertMessage, at: datetime) -> Refusal | None:
        """Hand it over, as of `at` (real time); None when it was taken. Never raises for an outside failure.

        Ends within `delivery.SENDING`.
        """

    def reach(self) -> Refusal | None:
        """Go the whole way without a message; None when the other side is there. Never raises for an outside failure.

        Ends within `delivery.SENDING`.
        """


class AlertWording(Protocol):
    """Puts changes of alerts into words."""

    def words(self, ident: str, told: Digest, whole: Sequence[Alert]) -> AlertMessage:
        """The message, with these alerts in full."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """How the operator is told of alerts."""

    messengers: Mapping[AlertChannel, AlertMessenger]
    wording: AlertWording


class AlertChanges(Protocol):
    """Changes of alerts, for each channel, and the pace of each channel."""

    def begin(self, channels: Collection[AlertChannel]) -> None:
        """Store what changes from now on for these channels: by every process, with or without their settings."""

    def write(self, changed: Sequence[Alert], real_now: datetime) -> None:
        """Store that these were opened or closed, for each known channel that tells of it: with the transaction."""

    def waiting_kinds(self, channel: AlertChannel) -> Mapping[str, bool]:
        """The kinds of all changes that wait, and whether one of them is an opening."""

    def kinds_since(self, channel: AlertChannel, since: datetime) -> Collection[str]:
        """The kinds that the channel was told of since then (real time)."""

    def waiting(self, channel: AlertChannel, limit: int) -> Sequence[AlertChange]:
        """Changes that the channel was not told of, oldest first."""

    def note_sent(self, numbers: Sequence[int], real_now: datetime) -> None:
        """Note that these were told."""

    def forget(self, told_before: datetime, changed_before: datetime, limit: int) -> int:
        """Delete changes that were told before this, or wait since before that (real time); returns their number."""

    def lock_pace(self, channel: AlertChannel) -> AlertPace:
        """The pace of the channel, locked. Raises NotFound for one that has not begun."""

    def save_pace(self, pace: AlertPace) -> None:
        """Write the pace back."""


class AlertMessageRecords(Protocol):
    """The records of messages about alerts in a transaction."""

    @property
    def alert_changes(self) -> AlertChanges:
        """Changes of alerts that channels are told of."""
