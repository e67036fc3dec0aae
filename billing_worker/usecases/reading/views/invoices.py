"""The views of an invoice, and of the attempts to collect it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.declines.reasons import Advice, Category, DeclineKind
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.refund import Refund, left_of
from billing_worker.usecases.reading.views.fields import (
    ATTEMPT_ID,
    CURRENCY,
    INVOICE_ID,
    KEY_ID,
    POLICY_VERSION,
    SUBSCRIPTION_ID,
    WIN_BACK,
    described,
    minor,
    view_of,
)
from billing_worker.usecases.reading.views.refunds import RefundView, of_refund


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice: for a period of a subscription, or a single payment, which has neither."""

    id: str = field(metadata=INVOICE_ID)
    subscription_id: str | None = field(metadata=SUBSCRIPTION_ID)
    billing_key_id: str = field(metadata=KEY_ID)
    status: InvoiceStatus
    amount: int = field(metadata=minor())
    currency: str = field(metadata=CURRENCY)
    period_index: int | None
    period_start: datetime | None
    period_end: datetime | None
    merchant_uid: str
    attempt_count: int
    decline_count: int
    spared_count: int = field(metadata=described("Declines that spent no step of dunning", example=0))
    dunning_policy: str = field(metadata=POLICY_VERSION)
    next_attempt_at: datetime | None
    win_back_at: datetime | None = field(metadata=WIN_BACK)
    last_reason: str | None
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One intended payment."""

    id: str = field(metadata=ATTEMPT_ID)
    invoice_id: str = field(metadata=INVOICE_ID)
    billing_key_id: str = field(metadata=KEY_ID)
    number: int
    status: AttemptStatus
    amount: int = field(metadata=minor())
    currency: str = field(metadata=CURRENCY)
    merchant_uid: str
    imp_uid: str | None
    decline_kind: DeclineKind | None
    decline_category: Category | None
    decline_advice: Advice | None
    reason: str | None = field(metadata=described(example="balance too low"))
    surplus: bool = field(metadata=described("Paid although the invoice was already paid: to be refunded"))
    refunded: int = field(metadata=minor())
    started_at: datetime
    next_look_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDetail(InvoiceView):
    """An invoice with its attempts and refunds."""

    refunded: int = field(metadata=minor())
    refundable: int = field(metadata=minor())
    attempts: list[AttemptView]
    refunds: list[RefundView]


def of_invoice(invoice: Invoice) -> InvoiceView:
    """The view of an invoice."""
    return view_of(
        InvoiceView,
        invoice,
        amount=invoice.money.amount,
        currency=invoice.money.currency,
        period_index=invoice.period.index if invoice.period else None,
        period_start=invoice.period.start if invoice.period else None,
        period_end=invoice.period.end if invoice.period else None,
        attempt_count=invoice.attempts,
        decline_count=invoice.declines,
        spared_count=invoice.spared,
    )


def of_attempt(attempt: PaymentAttempt) -> AttemptView:
    """The view of an attempt."""
    return view_of(AttemptView, attempt, amount=attempt.money.amount, currency=attempt.money.currency)


def detail_of_invoice(invoice: Invoice, attempts: Sequence[PaymentAttempt], refunds: Sequence[Refund]) -> InvoiceDetail:
    """The view of an invoice with its attempts and refunds."""
    return view_of(
        InvoiceDetail,
        of_invoice(invoice),
        refunded=sum(attempt.refunded for attempt in attempts),
        refundable=left_of(attempts),
        attempts=[of_attempt(attempt) for attempt in attempts],
        refunds=[of_refund(refund) for refund in refunds],
    )
