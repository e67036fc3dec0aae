"""What the gateway shows as given back, and the refund of money that came although nothing was owed."""

from collections.abc import Sequence

from billing_worker.domain.events import EventType
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Evidence, GatewayPayment
from billing_worker.domain.refund import Refund, RefundCause, RefundStatus, refundable
from billing_worker.domain.settlement import Charge
from billing_worker.ports import Ports, UnitOfWork


def note_refunds(ports: Ports, uow: UnitOfWork, charge: Charge, payment: GatewayPayment, evidence: Evidence) -> bool:
    """Book what a read shows as given back of an approved attempt's payment; False when that was known.

    What no refund of ours explains was given back by somebody else: a person is told.
    """
    attempt = charge.attempt
    known = attempt.status is AttemptStatus.APPROVED and attempt.imp_uid == payment.imp_uid
    if not known or payment.money != attempt.money or payment.cancelled.amount <= attempt.refunded:
        return False
    now, real_now = ports.clock.now(), ports.clock.real_now()
    given = payment.cancelled.amount - attempt.refunded
    attempt.give_back(payment.cancelled.amount, uow.keep_evidence(attempt.id, evidence, real_now))
    charge.emit(
        EventType.PAYMENT_REFUNDED,
        charge.invoice.id,
        imp_uid=attempt.imp_uid,
        amount=given,
        refunded=attempt.refunded,
        currency=attempt.money.currency,
    )
    uow.save_charge(charge, now, real_now)
    refunds = uow.refunds.of_attempt(attempt.id)
    if attempt.refunded > _ours(refunds, payment):
        detail = f"payment {attempt.imp_uid} of invoice {charge.invoice.id}: {payment.cancelled} is given back by now"
        uow.alerts.open("cancelled_elsewhere", attempt.id, f"{detail}, not all of it by this worker", now)
    if attempt.surplus and not any(a.surplus and a.holds_money for a in uow.attempts.of_invoice(charge.invoice.id)):
        uow.alerts.close("surplus_payment", charge.invoice.id, now)
    return True


def compensate(ports: Ports, uow: UnitOfWork, charge: Charge) -> None:
    """Write down the refund of a surplus payment, unless one is under way or was refused for this very balance."""
    attempt = charge.attempt
    if not (attempt.surplus and attempt.holds_money):
        return
    left = refundable(attempt)
    if any(refund.is_open or refund.balance == left for refund in uow.refunds.of_attempt(attempt.id)):
        return
    paid = charge.invoice.status is InvoiceStatus.PAID
    uow.refunds.add(
        Refund(
            id=ports.ids.new("rfd"),
            attempt_id=attempt.id,
            money=Money(left, attempt.money.currency),
            balance=left,
            cause=RefundCause.SURPLUS,
            reason="paid twice" if paid else "paid although nothing was owed",
            created_at=ports.clock.now(),
            next_step_at=ports.clock.real_now(),
        )
    )


def _ours(refunds: Sequence[Refund], payment: GatewayPayment) -> int:
    """How much of what was given back our refunds explain, in minor units."""
    shown = [each.reason or "" for each in payment.cancellations]
    return sum(
        refund.money.amount
        for refund in refunds
        if refund.status is RefundStatus.SUCCEEDED or any(reason.startswith(refund.id) for reason in shown)
    )
