"""What the use cases ask of the outside, as protocols, and the bundle in which they receive it.

Use cases take `ports` as their first argument and see nothing else of the world: no SQL, no HTTP, no clock of their
own. Tests hand them real adapters with one of them replaced.
"""

from dataclasses import dataclass

from billing_worker.domain.timing import Timing
from billing_worker.ports.catch_up import CatchUp, Chosen, Span, Work
from billing_worker.ports.outside import Clock, Doorbell, Gateway, Ids, Listing, Notifier, Sheet, Unreadable
from billing_worker.ports.records import (
    Alert,
    Due,
    Echo,
    InboxMessage,
    InboxStatus,
    Known,
    OutboxMessage,
    SettledPayment,
    Standing,
    Tally,
)
from billing_worker.ports.review import Alerts, Books, Comparisons
from billing_worker.ports.storage import (
    Attempts,
    BillingKeys,
    Database,
    Inbox,
    Invoices,
    Outbox,
    Plans,
    Refunds,
    Subscriptions,
    UnitOfWork,
)

__all__ = [
    "Alert",
    "Alerts",
    "Attempts",
    "BillingKeys",
    "Books",
    "CatchUp",
    "Chosen",
    "Clock",
    "Comparisons",
    "Database",
    "Doorbell",
    "Due",
    "Echo",
    "Gateway",
    "Ids",
    "Inbox",
    "InboxMessage",
    "InboxStatus",
    "Invoices",
    "Known",
    "Listing",
    "Notifier",
    "Outbox",
    "OutboxMessage",
    "Plans",
    "Ports",
    "Refunds",
    "SettledPayment",
    "Sheet",
    "Span",
    "Standing",
    "Subscriptions",
    "Tally",
    "UnitOfWork",
    "Unreadable",
    "Work",
]


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
