"""The views of a refund."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.payment import Evidence
from billing_worker.domain.refund import Refund, RefundCause, RefundStatus
from billing_worker.usecases.reading.views.evidence import EvidenceView, of_evidence
from billing_worker.usecases.reading.views.fields import ATTEMPT_ID, CURRENCY, described, minor, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundView:
    """A refund of one payment."""

    id: str = field(metadata=described(example="rfd_0123456789abcdef"))
    attempt_id: str = field(metadata=ATTEMPT_ID)
    status: RefundStatus
    amount: int = field(metadata=minor())
    currency: str = field(metadata=CURRENCY)
    cause: RefundCause
    reason: str = field(metadata=described(example="two days without service"))
    idempotency_key: str | None = field(metadata=described("The Idempotency-Key of its request"))
    send_count: int = field(metadata=described("How often it was sent: the balance in the call lets only one through"))
    note: str | None = field(metadata=described(example="PortOne says: the amount is larger than what is left"))
    next_step_at: datetime | None
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundDetail(RefundView):
    """A refund with the gateway's answer about it."""

    evidence: EvidenceView | None


def of_refund(refund: Refund) -> RefundView:
    """The view of a refund."""
    return view_of(
        RefundView, refund, amount=refund.money.amount, currency=refund.money.currency, send_count=refund.sends
    )


def detail_of_refund(refund: Refund, evidence: Evidence | None) -> RefundDetail:
    """The view of a refund with the gateway's answer."""
    return view_of(RefundDetail, of_refund(refund), evidence=of_evidence(evidence))
