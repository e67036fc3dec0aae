"""The views of a single payment."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.usecases.reading.views.fields import (
    CURRENCY,
    INVOICE_ID,
    KEY_ID,
    POLICY_VERSION,
    WIN_BACK,
    described,
    minor,
    view_of,
)
from billing_worker.usecases.reading.views.invoices import AttemptView, InvoiceDetail
from billing_worker.usecases.reading.views.refunds import RefundView


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """A single payment: an invoice without a period."""

    id: str = field(metadata=INVOICE_ID)
    billing_key_id: str = field(metadata=KEY_ID)
    customer: str = field(metadata=described("Your own id of the customer", example="user-1"))
    name: str = field(metadata=described("The product's name that PortOne shows", example="결제"))
    status: InvoiceStatus
    amount: int = field(metadata=minor())
    currency: str = field(metadata=CURRENCY)
    order_id: str = field(metadata=described("The merchant_uid at PortOne", example="order-1001"))
    at: datetime = field(metadata=described("When it is to be charged"))
    dunning_policy: str = field(metadata=POLICY_VERSION)
    tax_free: int | None = field(metadata=described("Minor units without tax", example=9900))
    vat_amount: int | None = field(metadata=described("Minor units of VAT; null: the PG reckons it", example=0))
    card_quota: int | None = field(metadata=described("Months of an instalment plan", example=3))
    custom_data: str | None = field(metadata=described("Your own text", example="basket 42"))
    notice_url: str | None
    attempt_count: int
    decline_count: int
    spared_count: int = field(metadata=described("Declines that spent no step of dunning", example=0))
    next_attempt_at: datetime | None
    win_back_at: datetime | None = field(metadata=WIN_BACK)
    last_reason: str | None
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetail(PaymentView):
    """A single payment with its attempts and refunds."""

    refunded: int = field(metadata=minor())
    refundable: int = field(metadata=minor())
    attempts: list[AttemptView]
    refunds: list[RefundView]


def of_payment(invoice: Invoice) -> PaymentView:
    """The view of a single payment."""
    single, options = invoice.of_single, invoice.options
    return view_of(
        PaymentView,
        invoice,
        customer=single.customer,
        name=single.name,
        amount=invoice.money.amount,
        currency=invoice.money.currency,
        order_id=invoice.merchant_uid,
        at=single.at,
        tax_free=options.tax_free,
        vat_amount=options.vat_amount,
        card_quota=options.card_quota,
        custom_data=options.custom_data,
        notice_url=options.notice_url,
        attempt_count=invoice.attempts,
        decline_count=invoice.declines,
        spared_count=invoice.spared,
    )


def detail_of_payment(invoice: Invoice, seen: InvoiceDetail) -> PaymentDetail:
    """The view of a single payment with what its invoice shows."""
    return view_of(
        PaymentDetail,
        of_payment(invoice),
        refunded=seen.refunded,
        refundable=seen.refundable,
        attempts=seen.attempts,
        refunds=seen.refunds,
    )
