"""What the database hands out beside the domain's own entities."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.comparing import Booked
from billing_worker.domain.events import PAYLOAD_VERSION, Event
from billing_worker.domain.invoice import AttemptStatus, Invoice
from billing_worker.domain.money import Money
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription


class Echo(StrEnum):
    """What a webhook's `paid` adds to what is known."""

    RECORDED = "recorded"
    """Nothing: an attempt is approved with this very payment."""
    IN_FLIGHT = "in_flight"
    """Probably nothing: the charge is under way, and its answer will say the same."""
    NONE = "none"
    """Something: the gateway must be read."""


class InboxStatus(StrEnum):
    """Where a received notification stands."""

    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A webhook or pingback that is to be stored."""

    source: str
    dedupe_key: str
    """Equal for a repeated delivery."""
    payload: dict[str, str]
    status: InboxStatus
    next_try_at: datetime


@dataclass(slots=True)
class InboxMessage:
    """A webhook or pingback as it came, kept until the gateway confirmed or denied what it hints at."""

    id: int
    source: str
    dedupe_key: str
    payload: dict[str, str]
    status: InboxStatus
    received_at: datetime
    next_try_at: datetime
    """When a scan hands it out; while it is handed out, when it is offered again."""
    tries: int
    """Reads of the gateway that were answered, since it came last."""
    deliveries: int
    note: str | None
    is_foreign: bool = False
    """A webhook whose merchant_uid was never ours: read after the others, out of a small budget."""
    not_before: datetime | None = None
    """The gateway is not read about it before this, by whomever."""
    read_at: datetime | None = None
    """When the gateway was asked last."""
    failures: int = 0
    """Reads in a row that were not answered."""
    last_received_at: datetime | None = None
    """The last delivery but the first."""
    waiting_since: datetime | None = None
    """Since when it is to be applied, where that is not since its first delivery."""
    closed_at: datetime | None = None
    subject_id: str | None = None
    """The invoice or key that it led to."""
    answer: dict[str, Any] | None = None
    """What the gateway said last: request, http_status, body (masked, size-capped), at."""

    @property
    def waits_since(self) -> datetime:
        """Since when it is to be applied."""
        return self.waiting_since or self.received_at


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a notification when it was stored."""

    id: int
    is_foreign: bool
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class Sought:
    """Which notifications to look for; what is None does not matter."""

    status: InboxStatus | None = None
    source: str | None = None
    foreign: bool | None = None
    since: datetime | None = None
    """Delivered first at or after this."""
    waits_since: datetime | None = None
    """Only those that wait since then or longer."""
    stuck_at: datetime | None = None
    """Only those that are stuck at this moment."""


class EventStatus(StrEnum):
    """Where an event for the merchant stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(slots=True)
class OutboxMessage:
    """An event for the merchant, written together with the state it tells of. All times but the first are real time."""

    id: str
    event: Event
    occurred_at: datetime
    """Billing time."""
    next_try_at: datetime
    tries: int
    delivered_at: datetime | None
    note: str | None
    stream_sequence: int = 0
    """Its place in its stream, from 1 on, without gaps."""
    version: int = PAYLOAD_VERSION
    first_tried_at: datetime | None = None
    abandoned_at: datetime | None = None
    lease_until: datetime | None = None
    sending_until: datetime | None = None
    fence: int = 0
    replays: int = 0

    @property
    def status(self) -> EventStatus:
        """Where it stands."""
        if self.waits:
            return EventStatus.WAITING
        return EventStatus.DELIVERED if self.delivered_at is not None else EventStatus.GIVEN_UP

    @property
    def waits(self) -> bool:
        """Whether it is still to be delivered."""
        return self.delivered_at is None and self.abandoned_at is None


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


@dataclass(frozen=True, slots=True)
class DueInvoice:
    """An invoice that may be due, with all that decides whether it is; the subscription is locked."""

    subscription: Subscription
    invoice: Invoice
    key: BillingKey
    plan: Plan
    has_open_attempt: bool
    stop: int | None
    """The number of an open stop that holds this invoice's charges."""
    elsewhere: bool
    """This is not the database that was claimed."""
    last_paid: int | None
    """What the subscription's last paid invoice in this currency came to, in minor units."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was charged, or may have been, within a window."""

    count: int
    amount: int
    """Of the one currency that was asked for, in minor units."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the invoices of one month, in one currency, came to. Money in minor units."""

    month: str
    """Of the period's start, in the given time zone: 2026-01."""
    currency: str
    invoices: int
    paid: int
    paid_amount: int
    open: int
    uncollectible: int
    void: int
    recovered: int
    """Paid after at least one decline."""
    refunded_amount: int
    """Given back so far of what was paid; of a payment that came twice neither is counted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand at this moment."""

    periods_due: int
    """Subscriptions whose next period has begun and has no invoice yet."""
    due: int
    """Invoices to be charged now, not yet started."""
    in_flight: int
    unknown: int
    waiting_for_key: int
    in_dunning: int
    oldest_due: datetime | None
    """Billing time at which the oldest of the due invoices became due."""
    late: int
    """Subscriptions and invoices due for more than an hour, and charges that could not be placed: these are paced."""
    on_hold: int
    """Subscriptions whose late periods wait for a person's decision."""
    open_alerts: int
    open_stops: int
    """Places where charging is stopped until a person clears it."""
    undelivered_events: int
    abandoned_events: int
    """Given up after three days, and not replayed."""
    unapplied_notifications: int
    stuck_notifications: int
    """Of these, webhooks and pingbacks about which the gateway said nothing for an hour, or that wait for a day."""
    foreign_notifications: int
    """Of these, webhooks whose merchant_uid was never ours."""
    oldest_notification: datetime | None
    """Real time since when the oldest of them waits."""
    compared_until: datetime | None
    """Billing time up to which both books were compared, without a gap; None before the first comparison."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A key, and the payment that issued it."""

    key_id: str
    imp_uid: str


@dataclass(frozen=True, slots=True)
class Known:
    """What our books have beside one page of the gateway's."""

    booked: Mapping[str, Booked]
    """Attempts by imp_uid."""
    invoices: Mapping[str, str]
    """Ids by merchant_uid, also by one that the invoice had before."""
    open_attempts: Mapping[str, AttemptStatus]
    """Of attempts without a known outcome, by merchant_uid."""
    keys: Mapping[str, datetime]
    """When each customer_uid was registered here, in billing time."""
    issued: Mapping[str, Issued] = field(default_factory=dict)
    """By customer_uid, where it is known what issued the key."""


@dataclass(frozen=True, slots=True)
class SettledPayment:
    """One approved attempt, for comparing with the gateway's books."""

    merchant_uid: str
    imp_uid: str
    amount: int
    currency: str
    period_start: datetime
    surplus: bool


@dataclass(frozen=True, slots=True)
class AuditWindow:
    """What an audit looks at."""

    since: datetime | None
    """Billing time; None: everything."""
    now: datetime
    real_now: datetime
    grace: timedelta
    """Billing time: what is due for longer than this was lost."""
    skew: timedelta
    """Billing time by which the clocks of two hosts may differ."""
    accepted: frozenset[str] = frozenset()
    """Breaches that a person accepted, as stops name them: they are shown after all others."""


@dataclass(frozen=True, slots=True)
class PaidAttempt:
    """An approval, with what else is known of its invoice, for comparing with the gateway's books."""

    id: str
    invoice_id: str
    merchant_uid: str
    imp_uid: str
    money: Money
    customer_uid: str = field(repr=False)
    subscription_id: str
    nameless: bool
    """Whether an attempt of the invoice has no imp_uid: then a payment that nobody knows may be its own."""
