"""Single payments: any amount on a stored key, now or at a time, without a subscription."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.domain.plan import LONGEST_NAME
from billing_worker.domain.subscription import LONGEST_CUSTOMER
from billing_worker.ports.lists import Kind
from billing_worker.usecases.jobs import JobName
from billing_worker.usecases.payment.cancel import cancel_payment
from billing_worker.usecases.payment.create import DEFAULT_NAME, LONGEST_ORDER_ID, NewPayment, create_payment
from billing_worker.usecases.reading.one import payment_with
from billing_worker.usecases.reading.views.payments import PaymentDetail, PaymentView, of_payment
from billing_worker.web.api.charge_options import ChargeOptions
from billing_worker.web.api.shapes import (
    ACTS,
    CHANGES,
    JSON,
    READS,
    READS_ONE,
    AtLeast,
    AtMost,
    Created,
    Currency,
    Described,
    Id,
    Ident,
    InCurrency,
    Instant,
    Lists,
    Minor,
    Moment,
    Name,
    OfCustomer,
    Page,
    PlainDays,
    PolicyName,
    Text,
    Word,
    example,
)
from billing_worker.web.context import Ctx
from billing_worker.web.openapi import MONEY

router = APIRouter(prefix="/payments", tags=["payments"])


class PaymentInput(ChargeOptions):
    """A new single payment. A repeat of its `order_id` is refused, with the id of the payment that has it."""

    model_config = example(billing_key_id="key_0123456789abcdef", amount=9900, order_id="order-1001")

    billing_key_id: Name = Field(description="The key to charge")
    amount: Annotated[Minor, Described(minimum=1, maximum=LARGEST_AMOUNT)]
    currency: Annotated[Currency, Described(pattern="^[A-Z]{3}$")] = "KRW"
    name: Annotated[Text, Described(minLength=1, maxLength=LONGEST_NAME)] = Field(
        DEFAULT_NAME, description="The product's name that PortOne shows", examples=["추가 사용료"]
    )
    customer: Annotated[Text, Described(minLength=1, maxLength=LONGEST_CUSTOMER)] | None = Field(
        None, description="Your own id of the customer; default: that of the key's subscriptions, or the key's id"
    )
    at: Moment | None = Field(None, description="When it is charged, up to two years ahead; default: now")
    order_id: Annotated[Text, Described(pattern=rf"^[A-Za-z0-9_-]{{1,{LONGEST_ORDER_ID}}}$")] | None = Field(
        None, description="Your own order number, the merchant_uid at PortOne; default: one of ours"
    )
    retry_days: PlainDays | None = Field(
        None, description="Days to wait after the first, second … decline; default: no retry"
    )
    dunning_policy: PolicyName | None = Field(None, description="Instead of days: the name of a policy")


class PaymentQuery(Created):
    """The filters of the list of payments."""

    status: InvoiceStatus | None = Field(None, description="Only with this status")
    customer: OfCustomer = None
    billing_key_id: Id | None = Field(None, description="Only charged on this key")
    order_id: Word | None = Field(None, description="Only the one with this order number")
    currency: InCurrency = None
    amount_min: AtLeast = None
    amount_max: AtMost = None
    at_after: Instant | None = Field(None, description="To be charged at or after this")
    at_before: Instant | None = Field(None, description="To be charged before this")


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="create_payment", openapi_extra=MONEY)
def create(wanted: PaymentInput, context: Ctx) -> PaymentView:
    """Charge a stored key once, now or at a time. A worker makes the charge; the answer shows what is stored."""
    given = wanted.model_dump(exclude=set(ChargeOptions.model_fields))
    made = create_payment(context.ports, NewPayment(**given, options=wanted.options()))
    if made.next_attempt_at == made.created_at:
        context.ring(JobName.COLLECT, made.id)
    return of_payment(made)


@router.get("", responses=READS, name="list_payments")
def list_payments(query: Annotated[PaymentQuery, Query()], lists: Lists) -> Page[PaymentView]:
    """List single payments, newest first."""
    return lists.of(Kind.PAYMENTS, query)


@router.get("/{payment_id}", responses=READS_ONE, name="get_payment")
def get(payment_id: Ident, context: Ctx) -> PaymentDetail:
    """Show one single payment with its attempts and refunds."""
    return payment_with(context.ports, payment_id)


@router.post("/{payment_id}/cancel", responses=ACTS, name="cancel_payment")
def cancel(payment_id: Ident, context: Ctx) -> PaymentView:
    """Cancel a single payment that was not taken yet. Afterwards no attempt begins for it."""
    return of_payment(cancel_payment(context.ports, payment_id))
