"""Refunds: money given back, in part or whole."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.domain.refund import LONGEST_REASON, Refund, RefundCause, RefundStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.refund.refund import request_refund
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    READS,
    READS_ONE,
    Created,
    Currency,
    Described,
    Id,
    Ident,
    Input,
    Lists,
    Minor,
    Name,
    Page,
    Sum,
    Text,
    Word,
    example,
)
from billing_worker.web.context import Ctx
from billing_worker.web.errors import ErrorType, Refused
from billing_worker.web.openapi import KEY_NEEDED, MONEY

router = APIRouter(tags=["refunds"])


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

    id: str = Field(examples=["rfd_0123456789abcdef"])
    attempt_id: str = Field(examples=["att_0123456789abcdef"])
    status: RefundStatus
    amount: Minor
    currency: Currency
    cause: RefundCause
    reason: str
    idempotency_key: str | None = Field(description="The Idempotency-Key with which it was asked for")
    send_count: int = Field(description="How often it was sent: the balance that goes along lets only one through")
    note: str | None
    next_step_at: datetime | None
    created_at: datetime
    closed_at: datetime | None


class RefundQuery(Created):
    """Which refunds to list."""

    status: RefundStatus | None = Field(None, description="Only with this status")
    cause: RefundCause | None = Field(None, description="Only for this cause")
    invoice_id: Id | None = Field(None, description="Only of this invoice's payments")
    subscription_id: Id | None = Field(None, description="Only of this subscription")
    customer: Word | None = Field(None, description="Only of this customer")
    amount_min: Sum | None = Field(None, description="Minor units, at least")
    amount_max: Sum | None = Field(None, description="Minor units, at most")


@router.post(
    "/invoices/{invoice_id}/refunds",
    status_code=201,
    dependencies=[JSON],
    responses=CHANGES,
    name="create_refund",
    openapi_extra=MONEY | KEY_NEEDED,
)
def create(invoice_id: Ident, wanted: RefundInput, context: Ctx) -> RefundOutput:
    """Give back a part of an invoice's payment, or all that is left of it: written down here, and sent by a worker.

    It needs an Idempotency-Key: with the same one it is the same refund, however often it is sent. The invoice stays
    paid.
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
    return shown(made)


@router.get("/refunds", responses=READS, name="list_refunds")
def list_refunds(query: Annotated[RefundQuery, Query()], lists: Lists) -> Page[RefundOutput]:
    """List what was given back, or is to be, newest first."""
    return lists.of(Kind.REFUNDS, query, shown)


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
        idempotency_key=refund.idempotency_key,
        send_count=refund.sends,
        note=refund.note,
        next_step_at=refund.next_step_at,
        created_at=refund.created_at,
        closed_at=refund.closed_at,
    )
