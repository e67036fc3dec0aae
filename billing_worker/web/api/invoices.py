"""Invoices: what is owed for each period, the attempts to collect it, and what was given back."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.payment import DeclineKind
from billing_worker.domain.refund import left_of
from billing_worker.ports.lists import Kind
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.web.api import refunds
from billing_worker.web.api.shapes import (
    ACTS,
    READS,
    READS_ONE,
    Created,
    Currency,
    Id,
    Ident,
    Instant,
    Lists,
    Minor,
    Page,
    Paging,
    Sum,
    Word,
)
from billing_worker.web.context import Ctx
from billing_worker.web.openapi import MONEY

router = APIRouter(prefix="/invoices", tags=["invoices"])
attempts = APIRouter(prefix="/attempts", tags=["invoices"])


class InvoiceQuery(Created):
    """Which invoices to list."""

    status: InvoiceStatus | None = Field(None, description="Only with this status")
    subscription_id: Id | None = Field(None, description="Only of this subscription")
    customer: Word | None = Field(None, description="Only of this customer")
    plan_id: Id | None = Field(None, description="Only of subscriptions on this plan")
    billing_key_id: Id | None = Field(None, description="Only charged on this key")
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = Field(None, description="Only in this currency")
    amount_min: Sum | None = Field(None, description="Minor units, at least")
    amount_max: Sum | None = Field(None, description="Minor units, at most")
    period_after: Instant | None = Field(None, description="Whose period begins at or after this")
    period_before: Instant | None = Field(None, description="Whose period begins before this")


class AttemptQuery(Paging):
    """Which attempts to list."""

    status: AttemptStatus | None = Field(None, description="Only with this status")
    invoice_id: Id | None = Field(None, description="Only of this invoice")
    subscription_id: Id | None = Field(None, description="Only of this subscription")
    customer: Word | None = Field(None, description="Only of this customer")
    billing_key_id: Id | None = Field(None, description="Only on this key")
    imp_uid: Word | None = Field(None, description="Only the one that is this payment at PortOne")
    started_after: Instant | None = Field(None, description="Started at or after this")
    started_before: Instant | None = Field(None, description="Started before this")


class InvoiceOutput(BaseModel):
    """An invoice."""

    id: str = Field(examples=["inv_0123456789abcdef"])
    subscription_id: str = Field(examples=["sub_0123456789abcdef"])
    billing_key_id: str = Field(examples=["key_0123456789abcdef"])
    status: InvoiceStatus
    amount: Minor
    currency: Currency
    period_index: int
    period_start: datetime
    period_end: datetime
    merchant_uid: str
    attempt_count: int
    decline_count: int
    next_attempt_at: datetime | None
    last_reason: str | None
    created_at: datetime
    closed_at: datetime | None


class AttemptOutput(BaseModel):
    """One intended payment."""

    id: str = Field(examples=["att_0123456789abcdef"])
    number: int
    status: AttemptStatus
    merchant_uid: str
    imp_uid: str | None
    decline_kind: DeclineKind | None
    reason: str | None
    surplus: bool = Field(description="Paid although the invoice was paid already: to be refunded")
    refunded: Minor
    started_at: datetime
    next_look_at: datetime | None
    closed_at: datetime | None


class InvoiceDetail(InvoiceOutput):
    """An invoice with everything that was tried and given back."""

    refunded: Minor
    refundable: Minor
    attempts: list[AttemptOutput]
    refunds: list[refunds.RefundOutput]


@router.get("", responses=READS, name="list_invoices")
def list_invoices(query: Annotated[InvoiceQuery, Query()], lists: Lists) -> Page[InvoiceOutput]:
    """List invoices, newest first."""
    return lists.of(Kind.INVOICES, query, shown)


@attempts.get("", responses=READS, name="list_attempts")
def list_attempts(query: Annotated[AttemptQuery, Query()], lists: Lists) -> Page[AttemptOutput]:
    """List payment attempts, newest first."""
    return lists.of(Kind.ATTEMPTS, query, attempt_shown)


@router.get("/{invoice_id}", responses=READS_ONE, name="get_invoice")
def get(invoice_id: Ident, context: Ctx) -> InvoiceDetail:
    """Show one invoice with its attempts and refunds."""
    with context.ports.database.transaction() as uow:
        return _detail(uow, uow.invoices.get(invoice_id))


@router.post("/{invoice_id}/retry", responses=ACTS, name="retry_invoice", openapi_extra=MONEY)
def retry(invoice_id: Ident, context: Ctx) -> InvoiceOutput:
    """Try an unpaid invoice again now, also one that was given up. Pressed twice it is still one charge."""
    return shown(retry_now(context.ports, invoice_id))


def attempt_shown(attempt: PaymentAttempt) -> AttemptOutput:
    """As the API shows it."""
    return AttemptOutput.model_validate(attempt, from_attributes=True)


def shown(invoice: Invoice) -> InvoiceOutput:
    """As the API shows it."""
    return InvoiceOutput(
        id=invoice.id,
        subscription_id=invoice.subscription_id,
        billing_key_id=invoice.billing_key_id,
        status=invoice.status,
        amount=invoice.money.amount,
        currency=invoice.money.currency,
        period_index=invoice.period.index,
        period_start=invoice.period.start,
        period_end=invoice.period.end,
        merchant_uid=invoice.merchant_uid,
        attempt_count=invoice.attempts,
        decline_count=invoice.declines,
        next_attempt_at=invoice.next_attempt_at,
        last_reason=invoice.last_reason,
        created_at=invoice.created_at,
        closed_at=invoice.closed_at,
    )


def _detail(uow: UnitOfWork, invoice: Invoice) -> InvoiceDetail:
    tried = uow.attempts.of_invoice(invoice.id)
    return InvoiceDetail(
        **shown(invoice).model_dump(),
        refunded=sum(attempt.refunded for attempt in tried),
        refundable=left_of(tried),
        attempts=[attempt_shown(attempt) for attempt in tried],
        refunds=[refunds.shown(refund) for refund in uow.refunds.of_invoice(invoice.id)],
    )
