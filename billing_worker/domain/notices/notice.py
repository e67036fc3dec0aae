"""A notice to a customer: its kind, its channel, and its delivery."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

STALE_AFTER = timedelta(days=3)
"""A notice that is older is not sent any more: it would tell of a past state."""


class NoticeKind(StrEnum):
    """What a notice is about."""

    UPCOMING = "upcoming"
    """A period will be charged in so many days."""
    CARD_EXPIRING = "card_expiring"
    """The card expires before the next charge."""
    FAILED = "failed"
    """A charge was declined, or the card cannot be charged; another try, or another card, can still pay."""
    LAST_WARNING = "last_warning"
    """The same before the last try, or before a dead card's invoice is given up."""
    RECOVERED = "recovered"
    """An invoice was paid after the customer heard of a failure."""
    GIVEN_UP = "given_up"
    """Dunning ended without a payment."""


FORESEEN = (NoticeKind.UPCOMING, NoticeKind.CARD_EXPIRING)
"""Written by the calendar, days before a charge. All others are written with an event."""

FAILURES = (NoticeKind.FAILED, NoticeKind.LAST_WARNING)

WARNINGS = (*FAILURES, NoticeKind.GIVEN_UP)
"""After one of these, a payment is news."""


class Channel(StrEnum):
    """A way to a customer."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    """The merchant's own sender, for instance of 알림톡 or SMS."""


class NoticeStatus(StrEnum):
    """The state of a notice."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    """It could not be delivered; the note says why."""
    SUPERSEDED = "superseded"
    """It was no longer true, or was switched off, before it could be sent; the note says why."""


@dataclass(slots=True)
class Notice:
    """One notice on one channel: at most one for each subject, kind and step. All times but `created_at` are real."""

    id: str
    kind: NoticeKind
    channel: Channel
    subject_id: str
    """The invoice or, for one that the calendar writes, the subscription."""
    step: str
    """The state of the subject that it is about: later states make it untrue."""
    customer: str
    """The merchant's own id of the customer."""
    created_at: datetime
    """Billing time."""
    due_at: datetime
    """From when it may be sent."""
    next_try_at: datetime
    invoice_id: str | None = None
    subscription_id: str | None = None
    status: NoticeStatus = NoticeStatus.PENDING
    tries: int = 0
    first_tried_at: datetime | None = None
    closed_at: datetime | None = None
    note: str | None = None
    """The last trouble, masked, or why it was not sent."""
    lease_until: datetime | None = None
    sending_until: datetime | None = None
    fence: int = 0
    may_have_arrived: bool = False
    """Whether it was sent, or a delivery of it ended without a clear refusal."""
    card_session_id: str | None = None
    """The visit to the card page that its link opens."""

    @property
    def waits(self) -> bool:
        """Whether it waits for delivery."""
        return self.status is NoticeStatus.PENDING

    def is_sent_now(self, real_now: datetime) -> bool:
        """Whether a worker may be sending it at this moment."""
        return self.sending_until is not None and self.sending_until > real_now

    def is_stale(self, real_now: datetime) -> bool:
        """Whether it is too old to be sent."""
        return real_now - self.due_at > STALE_AFTER

    def begin(self, real_now: datetime, until: datetime) -> None:
        """Note that a worker sends it, until then at the latest."""
        self.fence += 1
        self.tries += 1
        self.may_have_arrived = True
        self.first_tried_at = self.first_tried_at or real_now
        self.lease_until = self.sending_until = until

    def wait(self, until: datetime) -> None:
        """Look at it again then."""
        self.next_try_at = until
        self.lease_until = self.sending_until = None

    def close(self, status: NoticeStatus, real_now: datetime, note: str | None = None) -> None:
        """End its delivery."""
        self.status, self.closed_at, self.note = status, real_now, note
        self.lease_until = self.sending_until = None
