"""Refunds: money given back, in part or whole."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.domain.refund import LONGEST_REASON, LONGEST_REQUEST_KEY, Refund, RefundCause, RefundStatus
from billing_worker.usecases.refund import request_refund
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    READS_ONE,
    Currency,
    Described,
    Ident,
    Input,
    Minor,
    Name,
    Text,
    example,
)
from billing_worker.web.context import Ctx

router = APIRouter(tags=["refunds"])

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=rf"^[\x21-\x7e]{{1,{LONGEST_REQUEST_KEY}}}$",
        description="Your own name of this refund: the same one again is the same refund, and gives nothing back twice",
        examples=["order-1-refund-1"],
    ),
]


class RefundInput(Input):
    """What is to be given back: an amount, or everything that is left. Never everything by omission."""

    model_config = example(amount=3000, reason="two days without service")

    amount: Annotated[int, Described(minimum=1, maximum=LARGEST_AMOUNT)] | None = Field(
        None, description="Minor units: won for KRW, cents for USD", examples=[3000]
    )
    everything: bool = Field(default=False, description="Instead of an amount: what is left of the payment")
    reason: Annotated[Text, Described(minLength=1, maxLength=LONGEST_REASON)] = Field(
        description=f"Why; PortOne is told. At most {LONGEST_REASON} characters"
    )
    attempt_id: Name | None = Field(None, description="Which payment, where the invoice was paid twice")


class RefundOutput(BaseModel):
    """A refund of one payment."""

    id: str
    attempt_id: str
    status: RefundStatus
    amount: Minor
    currency: Currency
    cause: RefundCause
    reason: str
    request_key: str | None = Field(description="The Idempotency-Key with which it was asked for")
    send_count: int = Field(description="How often it was sent: the balance that goes along lets only one through")
    note: str | None
    next_step_at: datetime | None
    created_at: datetime
    closed_at: datetime | None


class Refunds(BaseModel):
    """All refunds of an invoice's payments, oldest first."""

    data: list[RefundOutput]


@router.post(
    "/invoices/{invoice_id}/refunds", status_code=201, dependencies=[JSON], responses=CHANGES, name="create_refund"
)
def create(invoice_id: Ident, wanted: RefundInput, request_key: IdempotencyKey, context: Ctx) -> RefundOutput:
    """Give back a part of an invoice's payment, or all that is left of it: written down here, and sent by a worker.

    Repeated with the same key it is the same refund; with another amount under that key it is a conflict. The invoice
    stays paid.
    """
    made = request_refund(
        context.ports,
        invoice_id,
        wanted.amount,
        everything=wanted.everything,
        reason=wanted.reason,
        attempt_id=wanted.attempt_id,
        request_key=request_key,
    )
    return shown(made)


@router.get("/invoices/{invoice_id}/refunds", responses=READS_ONE, name="list_refunds_of_invoice")
def of_invoice(invoice_id: Ident, context: Ctx) -> Refunds:
    """List what was given back, or is to be, of an invoice's payments, oldest first."""
    with context.ports.database.transaction() as uow:
        uow.invoices.get(invoice_id)  # no refunds, or no such invoice? NotFound tells
        return Refunds(data=[shown(refund) for refund in uow.refunds.of_invoice(invoice_id)])


@router.get("/refunds/{refund_id}", responses=READS_ONE, name="get_refund")
def get(refund_id: Ident, context: Ctx) -> RefundOutput:
    """Show one refund."""
    with context.ports.database.transaction() as uow:
        return shown(uow.refunds.get(refund_id))


def shown(refund: Refund) -> RefundOutput:
    """As the API shows it."""
    return RefundOutput(
        id=refund.id,
        attempt_id=refund.attempt_id,
        status=refund.status,
        amount=refund.money.amount,
        currency=refund.money.currency,
        cause=refund.cause,
        reason=refund.reason,
        request_key=refund.request_key,
        send_count=refund.sends,
        note=refund.note,
        next_step_at=refund.next_step_at,
        created_at=refund.created_at,
        closed_at=refund.closed_at,
    )
