"""Invoices: the debt for each period, the attempts to collect it, and the refunds."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.reading.one import invoice_with
from billing_worker.usecases.reading.views.invoices import AttemptView, InvoiceDetail, InvoiceView, of_invoice
from billing_worker.web.api.shapes import (
    ACTS,
    READS,
    READS_ONE,
    AtLeast,
    AtMost,
    Created,
    Id,
    Ident,
    InCurrency,
    Instant,
    Lists,
    OfCustomer,
    OfSubscription,
    Page,
    Paging,
    Word,
)
from billing_worker.web.context import Ctx
from billing_worker.web.openapi import MONEY

router = APIRouter(prefix="/invoices", tags=["invoices"])
attempts = APIRouter(prefix="/attempts", tags=["invoices"])


class InvoiceQuery(Created):
    """The filters of the list of invoices."""

    status: InvoiceStatus | None = Field(None, description="Only with this status")
    subscription_id: OfSubscription = None
    customer: OfCustomer = None
    plan_id: Id | None = Field(None, description="Only of subscriptions on this plan")
    billing_key_id: Id | None = Field(None, description="Only charged on this key")
    currency: InCurrency = None
    amount_min: AtLeast = None
    amount_max: AtMost = None
    period_after: Instant | None = Field(None, description="Whose period begins at or after this")
    period_before: Instant | None = Field(None, description="Whose period begins before this")
    due: bool | None = Field(None, description="true: only due now and not started yet")
    unplaced: bool | None = Field(None, description="true: only those whose last charge could not be placed")
    unknown: bool | None = Field(None, description="true: only those with a charge whose outcome is unclear")


class AttemptQuery(Paging):
    """The filters of the list of attempts."""

    status: AttemptStatus | None = Field(None, description="Only with this status")
    invoice_id: Id | None = Field(None, description="Only of this invoice")
    subscription_id: OfSubscription = None
    customer: OfCustomer = None
    billing_key_id: Id | None = Field(None, description="Only on this key")
    imp_uid: Word | None = Field(None, description="Only the attempt with this payment at PortOne")
    started_after: Instant | None = Field(None, description="Started at or after this")
    started_before: Instant | None = Field(None, description="Started before this")


@router.get("", responses=READS, name="list_invoices")
def list_invoices(query: Annotated[InvoiceQuery, Query()], lists: Lists) -> Page[InvoiceView]:
    """List invoices, newest first."""
    return lists.of(Kind.INVOICES, query)


@attempts.get("", responses=READS, name="list_attempts")
def list_attempts(query: Annotated[AttemptQuery, Query()], lists: Lists) -> Page[AttemptView]:
    """List payment attempts, newest first."""
    return lists.of(Kind.ATTEMPTS, query)


@router.get("/{invoice_id}", responses=READS_ONE, name="get_invoice")
def get(invoice_id: Ident, context: Ctx) -> InvoiceDetail:
    """Show one invoice with its attempts and refunds."""
    return invoice_with(context.ports, invoice_id)


@router.post("/{invoice_id}/retry", responses=ACTS, name="retry_invoice", openapi_extra=MONEY)
def retry(invoice_id: Ident, context: Ctx) -> InvoiceView:
    """Retry an unpaid invoice now, even one that was given up. A second request still makes one charge.

    If it is declined, dunning goes on at the date that it had.
    """
    return of_invoice(retry_now(context.ports, invoice_id))
