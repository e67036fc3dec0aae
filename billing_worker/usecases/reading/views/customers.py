"""The views of a customer."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.usecases.reading.views.fields import CURRENCY, SUBSCRIPTION_ID, described, minor
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
