"""The views of a customer."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.ports.forgetting import Blanked, Held
from billing_worker.usecases.reading.views.fields import CURRENCY, SUBSCRIPTION_ID, described, minor, view_of
from billing_worker.usecases.reading.views.invoices import AttemptView, InvoiceView
from billing_worker.usecases.reading.views.keys import KeySummary
from billing_worker.usecases.reading.views.subscriptions import SubscriptionView


@dataclass(frozen=True, slots=True, kw_only=True)
class ComingView:
    """A next step for a customer."""

    at: datetime | None = field(metadata=described("When; null if it waits for a key, a decision or a stop"))
    what: str = field(metadata=described(example="the next period begins, and is charged"))
    subscription_id: str | None = field(metadata=SUBSCRIPTION_ID)
    invoice_id: str | None = field(metadata={"examples": [None]})
    amount: int = field(metadata=minor())
    currency: str = field(metadata=CURRENCY)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerView:
    """Everything about one customer; of each kind the newest 100."""

    customer: str = field(metadata=described(example="user-1"))
    subscriptions: list[SubscriptionView]
    billing_keys: list[KeySummary]
    open_invoices: list[InvoiceView] = field(metadata=described("Open invoices, and those that dunning gave up"))
    last_payments: list[AttemptView] = field(metadata=described("Approved attempts"))
    next: list[ComingView] = field(metadata=described("The next steps, soonest first"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenView:
    """What was emptied of a customer: how many records of each kind."""

    customer: str = field(metadata=described(example="user-1"))
    billing_keys: int = field(metadata=described("Buyer and card", example=1))
    card_sessions: int = field(metadata=described("Buyer and return address", example=1))
    subscriptions: int = field(metadata=described("Metadata", example=1))
    invoices: int = field(metadata=described("Your own text", example=12))
    evidence: int = field(metadata=described("Answers of the gateway", example=12))
    notifications: int = field(metadata=described("Webhooks and pingbacks", example=12))
    events: int = field(metadata=described("Texts in events to you", example=1))
    answers: int = field(metadata=described("Kept answers to requests", example=2))
    notes: int = field(metadata=described("Reasons, consents and remarks", example=1))
    shared_keys: list[str] = field(
        metadata=described("Billing keys that another customer uses too; they are left as they are", example=[])
    )


def of_forgotten(held: Held, blanked: Blanked) -> ForgottenView:
    """What was emptied."""
    return view_of(ForgottenView, blanked, customer=held.customer, shared_keys=list(held.shared_keys))
