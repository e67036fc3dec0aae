"""Customers, by the merchant's own id: everything about one customer on one page."""

from typing import Annotated

from fastapi import APIRouter, Path

from billing_worker.domain.subscription import LONGEST_CUSTOMER
from billing_worker.usecases.customer.forget import forget_customer
from billing_worker.usecases.reading.customer import customer_with
from billing_worker.usecases.reading.views.customers import CustomerView, ForgottenView, of_forgotten
from billing_worker.web.api.shapes import ACTS, READS_ONE
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/customers", tags=["customers"])

Customer = Annotated[
    str,
    Path(min_length=1, max_length=LONGEST_CUSTOMER, description="The merchant's own id of the customer"),
]


@router.get("/{customer:path}", responses=READS_ONE, name="get_customer")
def get(customer: Customer, context: Ctx) -> CustomerView:
    """Show a customer's subscriptions, keys, debts, last payments, and next steps."""
    return customer_with(context.ports, customer)


@router.delete("/{customer:path}", responses=ACTS, name="forget_customer")
def forget(customer: Customer, context: Ctx) -> ForgottenView:
    """Forget a customer: empty names, addresses, telephone numbers, cards and texts; the money and its ids stay.

    Refused while money may still move: cancel the subscriptions and delete the billing keys first.
    """
    return of_forgotten(*forget_customer(context.ports, customer))
