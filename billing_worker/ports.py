"""What the use cases ask of the outside, as protocols, and the bundle in which they receive it.

Use cases take `ports` as their first argument and see nothing else of the world: no SQL, no HTTP, no clock of their
own. Tests hand them real adapters with one of them replaced.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.events import Event
from billing_worker.domain.invoice import Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.payment import ChargeRequest, Evidence, GatewayPayment, Outcome
from billing_worker.domain.plan import Plan
from billing_worker.domain.settlement import Charge
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.domain.timing import Timing


class Clock(Protocol):
    """The only source of time. Both readings are aware UTC and follow the database server's clock."""

    def now(self) -> datetime:
        """Billing time: decides what is due. Equals real time unless a time machine is set."""

    def real_now(self) -> datetime:
        """Real time: leases, deadlines and the resolver's looks, which wait for machines and not for the calendar."""


class Ids(Protocol):
    """The only source of random names."""

    def new(self, prefix: str) -> str:
        """A new identifier: the prefix, `_`, and 16 lower-case letters and digits (80 random bits)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a read of the gateway found."""

    payments: Sequence[tuple[GatewayPayment, Evidence]]
    """Empty when the gateway says that it knows none."""
    trouble: str | None = None
    """Set when the read failed or could not be understood: then `payments` proves nothing."""


class Gateway(Protocol):
    """A payment gateway. No method raises for anything the outside may do: trouble is part of the answer."""

    def charge(self, request: ChargeRequest) -> Outcome:
        """Place one charge: one request, sent once (again only after a 401, which proves that nothing was done)."""

    def payment(self, imp_uid: str) -> Listing:
        """The payment with this id: a list of one, or of none when the gateway knows none."""

    def payments_of(self, merchant_uid: str) -> Listing:
        """Every payment under this merchant_uid, to the last page."""

    def knows_key(self, customer_uid: str) -> bool | None:
        """Whether the gateway has this billing key; None when the read failed."""


class Doorbell(Protocol):
    """Tells workers that there is something to do. Best effort: the scans find what a lost ring would have told."""

    def ring(self, job: str, ident: str) -> None:
        """Ask for `job` on one id. Never raises and never blocks for longer than a few seconds."""


class Notifier(Protocol):
    """Sends one event to the merchant."""

    def send(self, message: "OutboxMessage") -> str | None:
        """Deliver; None when the receiver took it, else one line about what went wrong."""


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
    tries: int
    deliveries: int
    note: str | None


@dataclass(slots=True)
class OutboxMessage:
    """An event for the merchant, written together with the state it tells of."""

    id: str
    event: Event
    occurred_at: datetime
    next_try_at: datetime
    tries: int
    delivered_at: datetime | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person must look at."""

    id: int
    kind: str
    subject_id: str
    detail: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """An invoice that may be due, with all that decides whether it is; the subscription is locked."""

    subscription: Subscription
    invoice: Invoice
    key: BillingKey
    plan: Plan
    has_open_attempt: bool


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
    open_alerts: int
    undelivered_events: int
    unapplied_notifications: int


@dataclass(frozen=True, slots=True)
class SettledPayment:
    """One approved attempt, for comparing with the gateway's books."""

    merchant_uid: str
    imp_uid: str
    amount: int
    currency: str
    period_start: datetime
    surplus: bool


class Books(Protocol):
    """What the database says as a whole. Read only."""

    def tallies(self, timezone: str) -> Sequence[Tally]:
        """One line a month and currency, oldest first."""

    def standing(self, now: datetime) -> Standing:
        """How things stand."""

    def payments(self) -> Sequence[SettledPayment]:
        """Every approved attempt, by period."""


class Plans(Protocol):
    """Plans."""

    def get(self, plan_id: str) -> Plan:
        """The plan. Raises NotFound."""

    def add(self, plan: Plan) -> None:
        """Store a new plan."""

    def list(self, limit: int) -> Sequence[Plan]:
        """Plans, newest first."""


class BillingKeys(Protocol):
    """Billing keys."""

    def get(self, key_id: str) -> BillingKey:
        """The key. Raises NotFound."""

    def lock(self, key_id: str) -> BillingKey:
        """The key, locked until the end of the transaction. Raises NotFound."""

    def with_customer_uid(self, customer_uid: str) -> BillingKey | None:
        """The key stored under this customer_uid."""

    def add(self, key: BillingKey) -> None:
        """Store a new key. Raises Conflict when the customer_uid is known already."""

    def save(self, key: BillingKey) -> None:
        """Write the key back."""

    def list(self, limit: int) -> Sequence[BillingKey]:
        """Keys, newest first."""


class Subscriptions(Protocol):
    """Subscriptions. The row of a subscription is the lock for everything below it."""

    def get(self, subscription_id: str) -> Subscription:
        """The subscription. Raises NotFound."""

    def lock(self, subscription_id: str) -> Subscription:
        """The subscription, locked until the end of the transaction. Raises NotFound."""

    def add(self, subscription: Subscription) -> None:
        """Store a new subscription."""

    def save(self, subscription: Subscription) -> None:
        """Write the subscription back."""

    def list(self, limit: int, status: SubscriptionStatus | None = None) -> Sequence[Subscription]:
        """Subscriptions, newest first."""

    def claim_renewals(self, now: datetime, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids whose next period is due and that nobody else is working on, oldest first, leased to the caller."""


class Invoices(Protocol):
    """Invoices."""

    def get(self, invoice_id: str) -> Invoice:
        """The invoice. Raises NotFound."""

    def add(self, invoice: Invoice) -> bool:
        """Store a new invoice and its merchant_uid; False when this period has its invoice already."""

    def save(self, invoice: Invoice) -> None:
        """Write the invoice back; registers a new merchant_uid when the generation grew."""

    def of_subscription(self, subscription_id: str) -> Sequence[Invoice]:
        """All invoices of a subscription, oldest first."""

    def voidable(self, subscription_id: str) -> Sequence[Invoice]:
        """Unpaid invoices of a subscription without an open attempt: what a cancellation may close at once."""

    def list(self, limit: int, status: InvoiceStatus | None = None) -> Sequence[Invoice]:
        """Invoices, newest first."""

    def claim_due(self, now: datetime, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of invoices that may be charged now (or given up, where the key is invalid), oldest first.

        Each gets a new fence and a lease; one that another scan holds, or that has an open attempt, is left out.
        """

    def with_merchant_uid(self, merchant_uid: str) -> str | None:
        """The id of the invoice that this merchant_uid was ever given to."""

    def waiting_for_key(self, key_id: str, now: datetime) -> Sequence[str]:
        """Ids of due invoices that wait for this key."""


class Attempts(Protocol):
    """Payment attempts."""

    def get(self, attempt_id: str) -> PaymentAttempt:
        """The attempt. Raises NotFound."""

    def add(self, attempt: PaymentAttempt) -> None:
        """Store a new attempt. Raises Conflict when the invoice has an open one already."""

    def save(self, attempt: PaymentAttempt) -> None:
        """Write the attempt back."""

    def of_invoice(self, invoice_id: str) -> Sequence[PaymentAttempt]:
        """All attempts of an invoice, by number."""

    def claim_looks(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of open attempts whose next look has come, oldest first; their look is put off to `lease_until`."""

    def open_ids(self) -> Sequence[str]:
        """Ids of all open attempts, oldest first."""

    def echo_of(self, imp_uid: str, merchant_uid: str) -> Echo:
        """What a webhook that calls this payment paid would tell us about an attempt of ours."""

    def known_imp_uid(self, other_than: str) -> str | None:
        """The imp_uid of the newest payment that the gateway showed us, for a control read."""


class Inbox(Protocol):
    """Notifications received and not yet applied."""

    def add(
        self,
        source: str,
        dedupe_key: str,
        payload: dict[str, str],
        *,
        status: InboxStatus,
        real_now: datetime,
        next_try_at: datetime,
    ) -> int:
        """Store one; the same one again counts, and takes this status. Returns its id."""

    def close_echoes(self, real_now: datetime) -> int:
        """Close waiting webhooks that call paid what is recorded as paid; returns how many."""

    def lock(self, message_id: int) -> InboxMessage:
        """The message, locked until the end of the transaction. Raises NotFound."""

    def save(self, message: InboxMessage) -> None:
        """Write the message back."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[int]:
        """Ids of messages that are still to be applied, oldest first; put off to `lease_until`."""


class Outbox(Protocol):
    """Events for the merchant, not yet delivered."""

    def add(self, message_id: str, event: Event, now: datetime, real_now: datetime) -> None:
        """Store one event."""

    def get(self, message_id: str) -> OutboxMessage:
        """The message. Raises NotFound."""

    def save(self, message: OutboxMessage) -> None:
        """Write the message back."""

    def latest(self, limit: int) -> Sequence[OutboxMessage]:
        """The newest events, newest first."""

    def of_subject(self, ident: str, limit: int) -> Sequence[OutboxMessage]:
        """Events of one subscription, invoice or key, newest first."""

    def claim_due(self, real_now: datetime, lease_until: datetime, limit: int) -> Sequence[str]:
        """Ids of messages to deliver, oldest first, at most one per subject; put off to `lease_until`."""


class Alerts(Protocol):
    """Things a person must look at."""

    def open(self, kind: str, subject_id: str, detail: str, now: datetime) -> None:
        """Open an alert; the same kind and subject again only renews the detail."""

    def list_open(self, limit: int) -> Sequence[Alert]:
        """Open alerts, newest first."""

    def of_subject(self, subject_id: str) -> Sequence[Alert]:
        """Open alerts about one subject."""

    def close(self, kind: str, subject_id: str, now: datetime) -> None:
        """Close it, if it is open."""

    def close_one(self, alert_id: int, now: datetime) -> bool:
        """Close the alert with this id; False when it was closed already. Raises NotFound."""


class UnitOfWork(Protocol):
    """One database transaction. Leaving its `with` block without `commit` rolls back."""

    @property
    def plans(self) -> Plans:
        """Plans."""

    @property
    def keys(self) -> BillingKeys:
        """BillingKeys."""

    @property
    def subscriptions(self) -> Subscriptions:
        """Subscriptions."""

    @property
    def invoices(self) -> Invoices:
        """Invoices."""

    @property
    def attempts(self) -> Attempts:
        """Attempts."""

    @property
    def inbox(self) -> Inbox:
        """Inbox."""

    @property
    def outbox(self) -> Outbox:
        """Outbox."""

    @property
    def alerts(self) -> Alerts:
        """Alerts."""

    @property
    def books(self) -> Books:
        """Books."""

    def lock_due(self, invoice_id: str) -> Due:
        """An invoice with its subscription, key and plan, under the subscription's lock. Raises NotFound."""

    def lock_charge(self, attempt_id: str) -> Charge:
        """An attempt with its invoice, subscription, key and policy, under the subscription's lock.

        Raises NotFound.
        """

    def save_charge(self, charge: Charge, now: datetime, real_now: datetime) -> None:
        """Write back everything an outcome can touch, and its events to the outbox."""

    def tell(self, events: Sequence[Event], now: datetime, real_now: datetime) -> None:
        """Write events to the outbox."""

    def keep_evidence(self, attempt_id: str | None, evidence: Evidence, real_now: datetime) -> int:
        """Store what the gateway said. Returns the evidence's id."""

    def commit(self) -> None:
        """Make it all durable, or raise Unavailable."""


class Database(Protocol):
    """Where the truth is."""

    def transaction(self) -> AbstractContextManager[UnitOfWork]:
        """Begin a transaction. Raises Unavailable when the database does not answer."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a use case may reach."""

    clock: Clock
    ids: Ids
    database: Database
    gateway: Gateway
    notifier: Notifier | None
    timing: Timing
    environment: str
    """The first characters of every merchant_uid, so that two environments of one merchant never share an id."""
