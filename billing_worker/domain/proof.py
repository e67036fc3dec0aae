"""The rules of proof: the only place that decides what a payment in the gateway's books proves about an attempt.

The synchronous answer, a webhook's re-read and the resolver all use it.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.declines.reasons import key_gone
from billing_worker.domain.invoice import AttemptStatus, PaymentAttempt
from billing_worker.domain.payment import (
    Approved,
    ChargeRequest,
    Declined,
    Evidence,
    Failed,
    GatewayPayment,
    Outcome,
    PaymentStatus,
    Unknown,
)

CLOCKS_DIFFER = timedelta(hours=1)
"""Longer than the clocks of two companies differ."""


def may_have_made(attempt: PaymentAttempt, payment: GatewayPayment) -> bool:
    """Whether a payment under its number can be what this open attempt made.

    A failed one that was tried long before it was not, and while its own call is under way no failed one says so:
    PortOne's Recovery, or a clerk, tries the same order.
    """
    if attempt.scheduled or payment.status is not PaymentStatus.FAILED:
        return True
    began = payment.started_at
    return attempt.status is not AttemptStatus.IN_FLIGHT and (
        began is None or began >= attempt.started_at - CLOCKS_DIFFER
    )


def judge(request: ChargeRequest, payment: GatewayPayment, evidence: Evidence) -> Outcome:
    """The outcome that one payment proves for the attempt that asked for `request`.

    Approved and Declined need every compared field to be equal: a payment of another order, amount, currency or
    customer proves nothing about ours and is never settled silently. A payment without a customer is not one of another
    customer (`GatewayPayment.may_be_of`).
    """
    if payment.merchant_uid == request.merchant_uid and _fully_cancelled(payment):
        # A net-cancel (망취소) or a clerk's: all money is back with the payer, and the gateway refuses this id from now
        # on.
        return Failed("the payment was cancelled at the gateway", evidence, new_merchant_uid=True, taken_back=True)
    differs = _difference(request, payment)
    if differs is not None:
        return Unknown(f"the gateway's payment {payment.imp_uid} {differs}", evidence, alarming=payment.holds_money)
    match payment.status:
        case PaymentStatus.PAID:
            return Approved(payment, evidence)
        case PaymentStatus.FAILED:
            reason = payment.fail_reason or "declined without a reason"
            return Declined(normalise(request.pg_provider, reason), reason, evidence, payment.imp_uid)
        case PaymentStatus.CANCELLED if payment.holds_money:
            return Approved(payment, evidence)
    return Unknown(f"the gateway's payment {payment.imp_uid} has the status {payment.status}", evidence)


def judge_all(
    request: ChargeRequest,
    payments: Sequence[tuple[GatewayPayment, Evidence]],
    settled_imp_uids: Collection[str],
) -> Outcome | None:
    """The outcome that all payments under the attempt's merchant_uid prove together; None if they prove nothing.

    `settled_imp_uids` belong to earlier attempts of the same invoice (one merchant_uid serves them all) and never
    decide a later one. But while one of them holds money, the later attempt does not count as absent. A payment that
    holds money outweighs any number of failed ones. A failed payment with another amount or card, from another program
    or a clerk, proves nothing.
    """
    ordered = sorted(payments, key=lambda seen: _weight(seen[0]), reverse=True)
    relevant = [
        (payment, evidence)
        for payment, evidence in ordered
        if payment.imp_uid not in settled_imp_uids and speaks_of(request, payment)
    ]
    if relevant:
        return judge(request, *relevant[0])
    for payment, evidence in ordered:
        if payment.holds_money:
            return Unknown(f"payment {payment.imp_uid}, which an earlier attempt has, holds money", evidence)
    return None


def speaks_of(request: ChargeRequest, payment: GatewayPayment) -> bool:
    """Whether a payment says anything about the attempt that asked for `request`.

    A failed payment with another amount or card does not: it comes from a clerk, or from an earlier card of the order.
    """
    return payment.status is not PaymentStatus.FAILED or _difference(request, payment) is None


def refusal(reason: str, evidence: Evidence) -> Declined:
    """The outcome of a definite refusal of the key, before any card company was asked."""
    return Declined(key_gone("the gateway"), reason, evidence)


def _weight(payment: GatewayPayment) -> tuple[bool, bool, float, str]:
    open_still = payment.status in (PaymentStatus.READY, PaymentStatus.UNRECOGNISED)
    started = payment.started_at.timestamp() if payment.started_at else 0.0
    return payment.holds_money, open_still, started, payment.imp_uid


def _fully_cancelled(payment: GatewayPayment) -> bool:
    return payment.status is PaymentStatus.CANCELLED and payment.cancelled.amount >= payment.money.amount


def _difference(request: ChargeRequest, payment: GatewayPayment) -> str | None:
    if payment.merchant_uid != request.merchant_uid:
        return "belongs to another merchant_uid"
    if payment.money.currency != request.money.currency:
        return f"is in {payment.money.currency}, not {request.money.currency}"
    if payment.money.amount != request.money.amount:
        return f"is over {payment.money}, not {request.money}"
    if not payment.may_be_of(request.customer_uid):
        return "was charged to another customer_uid"
    return None
