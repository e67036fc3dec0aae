"""Invoices: what is owed for each period, the attempts to collect it, and what was given back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus
from billing_worker.domain.payment import DeclineKind
from billing_worker.domain.refund import left_of
from billing_worker.ports import UnitOfWork
from billing_worker.usecases.retry import retry_now
from billing_worker.web.api import refunds
from billing_worker.web.api.shapes import READS_ONE, Currency, Ident, Minor, Page, Paging, page
from billing_worker.web.context import Ctx
from billing_worker.web.errors import documented

router = APIRouter(prefix="/invoices", tags=["invoices"])


class InvoiceQuery(Paging):
    """Which invoices to list."""

    status: InvoiceStatus | None = None
    subscription_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")] | None = None


class InvoiceOutput(BaseModel):
    """An invoice."""

    id: str
    subscription_id: str
    billing_key_id: str
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

    id: str
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


@router.get("", responses=READS_ONE, name="list_invoices")
def list_invoices(query: Annotated[InvoiceQuery, Query()], context: Ctx) -> Page[InvoiceOutput]:
    """List invoices, newest first."""
    with context.ports.database.transaction() as uow:
        return page(_found(uow, query), query.limit, _shown)


@router.get("/{invoice_id}", responses=READS_ONE, name="get_invoice")
def get(invoice_id: Ident, context: Ctx) -> InvoiceDetail:
    """Show one invoice with its attempts and refunds."""
    with context.ports.database.transaction() as uow:
        return _detail(uow, uow.invoices.get(invoice_id))


@router.post("/{invoice_id}/retry", responses=READS_ONE | documented(408, 409, 413), name="retry_invoice")
def retry(invoice_id: Ident, context: Ctx) -> InvoiceOutput:
    """Try an unpaid invoice again now, also one that was given up. Pressed twice it is still one charge."""
    return _shown(retry_now(context.ports, invoice_id))


def _found(uow: UnitOfWork, query: InvoiceQuery) -> Sequence[Invoice]:
    """One more than asked for, newest first."""
    if query.subscription_id is None:
        return uow.invoices.list(query.limit + 1, query.status)
    uow.subscriptions.get(query.subscription_id)  # no invoices, or no such subscription? NotFound tells
    own = reversed(uow.invoices.of_subscription(query.subscription_id))
    return [invoice for invoice in own if query.status in (None, invoice.status)]


def _shown(invoice: Invoice) -> InvoiceOutput:
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
    attempts = uow.attempts.of_invoice(invoice.id)
    return InvoiceDetail(
        **_shown(invoice).model_dump(),
        refunded=sum(attempt.refunded for attempt in attempts),
        refundable=left_of(attempts),
        attempts=[AttemptOutput.model_validate(attempt, from_attributes=True) for attempt in attempts],
        refunds=[refunds.shown(refund) for refund in uow.refunds.of_invoice(invoice.id)],
    )
