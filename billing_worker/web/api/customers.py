"""Customers, by the merchant's own id: everything about one of them on one page."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from billing_worker.domain.subscription import LONGEST_CUSTOMER
from billing_worker.usecases.reading.customer import Coming, customer_with
from billing_worker.web.api.billing_keys import KeySummary, summary
from billing_worker.web.api.invoices import AttemptOutput, InvoiceOutput, attempt_shown
from billing_worker.web.api.invoices import shown as invoice_shown
from billing_worker.web.api.shapes import READS_ONE, Currency, Minor
from billing_worker.web.api.subscriptions import SubscriptionOutput
from billing_worker.web.api.subscriptions import shown as subscription_shown
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/customers", tags=["customers"])

Customer = Annotated[
    str,
    Path(min_length=1, max_length=LONGEST_CUSTOMER, description="The merchant's own id of the customer"),
]


class ComingOutput(BaseModel):
    """What comes next for a customer."""

    at: datetime | None = Field(description="When; null where it waits for a key, a decision or a stop")
    what: str = Field(examples=["the next period begins, and is charged"])
    subscription_id: str = Field(examples=["sub_0123456789abcdef"])
    invoice_id: str | None = Field(examples=[None])
    amount: Minor
    currency: Currency


class CustomerOutput(BaseModel):
    """Everything about one customer; of each kind the newest 100."""

    customer: str = Field(examples=["user-1"])
    subscriptions: list[SubscriptionOutput]
    billing_keys: list[KeySummary]
    open_invoices: list[InvoiceOutput] = Field(description="Owed now, and those that dunning gave up")
    last_payments: list[AttemptOutput] = Field(description="Approved attempts")
    next: list[ComingOutput] = Field(description="What comes next, soonest first")


@router.get("/{customer:path}", responses=READS_ONE, name="get_customer")
def get(customer: Customer, context: Ctx) -> CustomerOutput:
    """Show subscriptions, keys, what is owed, the last payments, and what comes next."""
    found = customer_with(context.ports, customer)
    return CustomerOutput(
        customer=found.customer,
        subscriptions=[subscription_shown(each) for each in found.subscriptions],
        billing_keys=[summary(each) for each in found.keys],
        open_invoices=[invoice_shown(each) for each in found.owed],
        last_payments=[attempt_shown(each) for each in found.payments],
        next=[_coming(each) for each in found.coming],
    )


def _coming(coming: Coming) -> ComingOutput:
    return ComingOutput(
        at=coming.at,
        what=coming.what,
        subscription_id=coming.subscription_id,
        invoice_id=coming.invoice_id,
        amount=coming.money.amount,
        currency=coming.money.currency,
    )
