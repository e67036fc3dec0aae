"""Refunds: money given back, in part or whole."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.domain.refund import LONGEST_REASON, RefundCause, RefundStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.one import refund_with
from billing_worker.usecases.reading.views.refunds import RefundDetail, RefundView, of_refund
from billing_worker.usecases.refund.refund import request_refund
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    READS,
    READS_ONE,
    AtLeast,
    AtMost,
    Created,
    Described,
    Id,
    Ident,
    Input,
    Lists,
    Name,
    OfCustomer,
    OfSubscription,
    Page,
    Text,
    example,
)
from billing_worker.web.context import Ctx
from billing_worker.web.errors import ErrorType, Refused
from billing_worker.web.openapi import KEY_NEEDED, MONEY

router = APIRouter(tags=["refunds"])


class RefundInput(Input):
    """The sum to give back: an amount, or everything that is left. A missing amount never means everything."""

    model_config = example(amount=3000, reason="two days without service")

    amount: Annotated[int, Described(minimum=1, maximum=LARGEST_AMOUNT)] | None = Field(
        None, description="Minor units: won for KRW, cents for USD", examples=[3000]
    )
    everything: bool = Field(default=False, description="Instead of an amount: all that is left of the payment")
    reason: Annotated[Text, Described(minLength=1, maxLength=LONGEST_REASON)] = Field(
        description=f"Why; PortOne is told. At most {LONGEST_REASON} characters"
    )
    attempt_id: Name | None = Field(None, description="Which payment, where the invoice was paid twice")


class RefundQuery(Created):
    """The filters of the list of refunds."""

    status: RefundStatus | None = Field(None, description="Only with this status")
    cause: RefundCause | None = Field(None, description="Only for this cause")
    invoice_id: Id | None = Field(None, description="Only of this invoice's payments")
    subscription_id: OfSubscription = None
    customer: OfCustomer = None
    amount_min: AtLeast = None
    amount_max: AtMost = None


@router.post(
    "/invoices/{invoice_id}/refunds",
    status_code=201,
    dependencies=[JSON],
    responses=CHANGES,
    name="create_refund",
    openapi_extra=MONEY | KEY_NEEDED,
)
def create(invoice_id: Ident, wanted: RefundInput, context: Ctx) -> RefundView:
    """Give back a part of an invoice's payment, or all that is left of it. A worker sends the refund.

    The request needs an Idempotency-Key: every repeat with the same key is the same refund. The invoice stays paid.
    """
    if context.idempotency_key is None:
        message = "is needed: your own name of this refund, so that a repeat gives nothing back twice"
        raise Refused(400, ErrorType.MALFORMED, message, "Idempotency-Key")
    made = request_refund(
        context.ports,
        invoice_id,
        wanted.amount,
        everything=wanted.everything,
        reason=wanted.reason,
        attempt_id=wanted.attempt_id,
        idempotency_key=context.idempotency_key,
    )
    return of_refund(made)


@router.get("/refunds", responses=READS, name="list_refunds")
def list_refunds(query: Annotated[RefundQuery, Query()], lists: Lists) -> Page[RefundView]:
    """List refunds, newest first."""
    return lists.of(Kind.REFUNDS, query)


@router.get("/refunds/{refund_id}", responses=READS_ONE, name="get_refund")
def get(refund_id: Ident, context: Ctx) -> RefundDetail:
    """Show one refund, with the gateway's answer about it."""
    return refund_with(context.ports, refund_id)
