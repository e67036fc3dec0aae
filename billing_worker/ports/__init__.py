"""What the use cases ask of the outside, as protocols, and the bundle in which they receive it.

Use cases take `ports` as their first argument and see nothing else of the world: no SQL, no HTTP, no clock of their
own. Tests hand them real adapters with one of them replaced.
"""

from dataclasses import dataclass, field

from billing_worker.domain.action import WORKER
from billing_worker.domain.budget import Budgets
from billing_worker.domain.notification import InboxRules
from billing_worker.domain.timing import Timing
from billing_worker.ports.catch_up import CatchUp, Chosen, DueBetween, Work
from billing_worker.ports.inbox import Inbox
from billing_worker.ports.outgoing import Address, Delivering, Endpoints, EventFilter, Notifier, Outbox, Refusal
from billing_worker.ports.outside import Clock, Doorbell, Gateway, Ids, Listing, Sheet, Unreadable
from billing_worker.ports.pingbacks import Pingbacks
from billing_worker.ports.records import (
    Alert,
    Arrival,
    AuditWindow,
    DueInvoice,
    Echo,
    EventStatus,
    InboxMessage,
    InboxStatus,
    Issued,
    Known,
    OutboxMessage,
    PaidAttempt,
    SettledPayment,
    Sought,
    Spent,
    Standing,
    Stored,
    Tally,
)
from billing_worker.ports.review import Alerts, Books, Comparisons, Doubts
from billing_worker.ports.storage import (
    Attempts,
    Audits,
    BillingKeys,
    Database,
    Environment,
    Invoices,
    Plans,
    Refunds,
    Spending,
    Stops,
    Subscriptions,
    UnitOfWork,
)

__all__ = [
    "Address",
    "Alert",
    "Alerts",
    "Arrival",
    "Attempts",
    "AuditWindow",
    "Auditing",
    "Audits",
    "BillingKeys",
    "Books",
    "CatchUp",
    "Chosen",
    "Clock",
    "Comparisons",
    "Database",
    "Delivering",
    "Doorbell",
    "Doubts",
    "DueBetween",
    "DueInvoice",
    "Echo",
    "Endpoints",
    "Environment",
    "EventFilter",
    "EventStatus",
    "Gateway",
    "Ids",
    "Inbox",
    "InboxMessage",
    "InboxStatus",
    "Invoices",
    "Issued",
    "Known",
    "Listing",
    "Notifier",
    "Outbox",
    "OutboxMessage",
    "PaidAttempt",
    "Pingbacks",
    "Plans",
    "Ports",
    "Refunds",
    "Refusal",
    "SettledPayment",
    "Sheet",
    "Sought",
    "Spending",
    "Spent",
    "Standing",
    "Stops",
    "Stored",
    "Subscriptions",
    "Tally",
    "UnitOfWork",
    "Unreadable",
    "Work",
]


@dataclass(frozen=True, slots=True)
class Auditing:
    """How the periodic audit runs."""

    interval: float = 300.0
    """Real seconds between two."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must be found nowhere in the database."""
    rate: float = 1.0
    """Seconds of billing time that pass in a real one: more than 1 only with a time machine."""


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
    catch_up_rate: int = 0
    """Charges a minute at which late work starts; 0 is no limit."""
    account: str = ""
    """The gateway's host and a short digest of the API key: what this process charges through."""
    budgets: Budgets = field(default_factory=Budgets)
    auditing: Auditing = field(default_factory=Auditing)
    delivering: Delivering = field(default_factory=Delivering)
    inbox: InboxRules = field(default_factory=InboxRules)
    actor: str = WORKER
    """Who asks: `worker`, `cli:USER` or `token:NAME`. What is changed on somebody's word is kept with it."""
