"""Notices to customers: their records, and the ways by which they leave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from billing_worker.domain.language import Language
from billing_worker.domain.moment import Moment
from billing_worker.domain.notices.notice import Channel, Notice, NoticeKind
from billing_worker.domain.notices.switches import Switches
from billing_worker.domain.notices.written import Cause
from billing_worker.domain.pg_limits import Quiet
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outgoing import Address, Refusal

Facts = Mapping[str, str | int | bool | None]
"""What a notice tells, before it is put into words. Money in minor units, times in ISO 8601 with a zone."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A notice in words."""

    title: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """A customer, as the billing key knows them."""

    name: str | None = field(repr=False)
    email: str | None = field(repr=False)
    phone: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice, ready to leave."""

    id: str
    """The same for every delivery: a receiver drops a repeat by it."""
    kind: NoticeKind
    language: Language
    customer: str
    to: Recipient
    facts: Facts
    words: Rendered


class Messenger(Protocol):
    """Sends notices by one channel."""

    @property
    def address(self) -> Address:
        """Where they are handed over: a mail server, or the merchant's sender."""

    def send(self, letter: Letter, at: datetime) -> Refusal | None:
        """Hand it over, as of `at` (real time); None when it was taken. Never raises for an outside failure.

        `gone` in the answer says that another try is useless. Ends within `delivery.SENDING`.
        """


class Wording(Protocol):
    """Puts notices into words."""

    def words(self, kind: NoticeKind, language: Language, facts: Facts) -> Rendered:
        """The notice in words. Raises TemplateInvalid with the file and the line."""


@dataclass(frozen=True, slots=True)
class CardLinks:
    """How links to the card page are made."""

    secret: bytes = field(repr=False)
    url: str
    """The public address of the web process, without a final slash."""
    pg: str | None = None
    """The window that a link opens; None: that of the key's own PG, if it has one."""


@dataclass(frozen=True, slots=True)
class Noticing:
    """How customers are told."""

    messengers: Mapping[Channel, Messenger]
    wording: Wording
    switches: Switches
    """Of plans without switches of their own, and of single payments."""
    language: Language = Language.KO
    quiet: Quiet | None = None
    links: CardLinks | None = None


@dataclass(slots=True)
class Mark:
    """How far the coming charges of a plan were looked at for one kind of notice: billing time, then id."""

    id: str
    until: datetime
    last_id: str = ""


class Notices(Protocol):
    """Notices to customers."""

    def get(self, notice_id: str) -> Notice:
        """The notice. Raises NotFound."""

    def lock(self, notice_id: str) -> Notice:
        """The notice, locked until the end of the transaction. Raises NotFound."""

    def save(self, notice: Notice) -> None:
        """Write the notice back."""

    def lock_waiting(self, notice: Notice, real_now: datetime) -> Sequence[Notice]:
        """Notices of its subject on its channel that wait and are due, in the order of writing, locked."""

    def warned(self, notice: Notice) -> bool:
        """Whether a notice of a failure of its subject may have left by its channel."""

    def of_subjects(self, idents: Sequence[str], limit: int) -> Sequence[Notice]:
        """Notices about these invoices or subscriptions, oldest first; of many, the newest."""

    def claim_due(self, channel: Channel, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of notices to send by this channel, longest wait first; leased to the caller."""

    def claim_early(self, channel: Channel, real_now: datetime, lease_until: datetime) -> Sequence[str]:
        """At most one refused notice that waits for a later time: a probe of the channel, another each time."""

    def resume(self, channel: Channel, real_now: datetime) -> int:
        """Make refused notices of this channel due now, after an outage of it; returns their number."""

    def under_way(self, channel: Channel, real_now: datetime) -> int:
        """The number of notices of this channel that are claimed or being sent."""

    def forget(self, before: datetime, limit: int) -> int:
        """Delete notices whose delivery ended before this (real time); returns their number."""

    def lock_mark(self, plan_id: str, kind: NoticeKind, now: datetime) -> Mark:
        """The mark of a plan and a kind, locked; a new one stands at `now` (billing time)."""

    def save_mark(self, mark: Mark) -> None:
        """Write the mark back."""

    def next_charges(self, plan_id: str, mark: Mark, until: datetime, limit: int) -> Sequence[Subscription]:
        """Subscriptions of a plan whose next charge comes after the mark, up to `until`, soonest first.

        Those that end before it, are held back, or are in shadow, are left out.
        """


class NoticeRecords(Protocol):
    """The records of notices in a transaction."""

    @property
    def notices(self) -> Notices:
        """Notices to customers."""

    def write_notices(self, causes: Sequence[Cause], moment: Moment) -> None:
        """Write one for each cause and channel, with the transaction; known ones stay as they are.

        A superseded one that never left is due again. A recovery without an earlier failure is left out. Without a
        channel, nothing is written.
        """
