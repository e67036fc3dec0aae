"""Book refunds that the gateway shows, and refund surplus money."""

from collections.abc import Sequence

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.events import Event, EventType, of_refund
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus, PaymentAttempt
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Evidence, GatewayPayment
from billing_worker.domain.refund import Refund, RefundCause, RefundStatus, judge_refund, refundable
from billing_worker.domain.settlement import Settlement
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork


def note_refunds(
    uow: UnitOfWork, settlement: Settlement, payment: GatewayPayment, evidence: Evidence, moment: Moment
) -> bool:
    """Book the refunded sum in a read of an approved attempt's payment; False if it is not new.

    A refund of ours that the payment shows has succeeded. A sum that no refund of ours explains was given back
    elsewhere: an alert opens.
    """
    attempt = settlement.attempt
    known = attempt.status is AttemptStatus.APPROVED and attempt.imp_uid == payment.imp_uid
    if not known or payment.money != attempt.money or payment.cancelled.amount == 0:
        return False
    refunds = uow.refunds.of_attempt(attempt.id)
    shown = [each for each in refunds if not _succeeded(each) and judge_refund(each, attempt, payment).done]
    if not shown and payment.cancelled.amount <= attempt.refunded:
        return False
    evidence_id = uow.keep_evidence(attempt.id, evidence, moment.real)
    for refund in shown:
        _succeed(uow, settlement, refund, evidence_id, moment)
    if payment.cancelled.amount > attempt.refunded:
        _book(uow, settlement, payment, evidence_id, moment)
        _close_what_is_over(uow, attempt, refunds, moment)
        _alert_strangers(uow, settlement, payment, refunds, moment)
    return True


def _succeeded(refund: Refund) -> bool:
    return refund.status is RefundStatus.SUCCEEDED


def _succeed(uow: UnitOfWork, settlement: Settlement, refund: Refund, evidence_id: int, moment: Moment) -> None:
    refund.evidence_id = evidence_id
    refund.move_to(RefundStatus.SUCCEEDED, moment.billing)
    uow.refunds.save(refund)
    uow.announce([refund_event(settlement, refund)], moment)
    uow.alerts.close(AlertKind.REFUND_STUCK, refund.id, moment)
    uow.alerts.close(AlertKind.REFUND_FAILED, refund.id, moment)


def refund_event(settlement: Settlement, refund: Refund) -> Event:
    """The event about a closed refund."""
    kind = EventType.REFUND_SUCCEEDED if _succeeded(refund) else EventType.REFUND_FAILED
    return of_refund(kind, refund, settlement.subscription, settlement.invoice, settlement.attempt.imp_uid)


def _book(uow: UnitOfWork, settlement: Settlement, payment: GatewayPayment, evidence_id: int, moment: Moment) -> None:
    attempt = settlement.attempt
    given = payment.cancelled.amount - attempt.refunded
    attempt.give_back(payment.cancelled.amount, evidence_id)
    settlement.announce(EventType.PAYMENT_REFUNDED, imp_uid=attempt.imp_uid, amount=given, refunded=attempt.refunded)
    uow.save_settlements([settlement], moment)


def _close_what_is_over(uow: UnitOfWork, attempt: PaymentAttempt, refunds: Sequence[Refund], moment: Moment) -> None:
    """Close alerts about a refused refund or an unasked payment, because all of the money went back."""
    if attempt.holds_money:
        return
    for refund in refunds:
        if refund.status is RefundStatus.FAILED:
            uow.alerts.close(AlertKind.REFUND_FAILED, refund.id, moment)
    if attempt.found:
        uow.alerts.close(AlertKind.UNASKED_PAYMENT, attempt.id, moment)


def _alert_strangers(
    uow: UnitOfWork, settlement: Settlement, payment: GatewayPayment, refunds: Sequence[Refund], moment: Moment
) -> None:
    attempt = settlement.attempt
    if attempt.refunded > sum(refund.money.amount for refund in refunds if _succeeded(refund)):
        facts: Facts = {
            "payment": attempt.imp_uid,
            "invoice": settlement.invoice.id,
            "given_back": str(payment.cancelled),
        }
        uow.alerts.open(AlertKind.CANCELLED_ELSEWHERE, attempt.id, facts, moment)
    if attempt.surplus and not any(a.surplus and a.holds_money for a in settlement.attempts):
        uow.alerts.close(AlertKind.SURPLUS_PAYMENT, settlement.invoice.id, moment)


def refund_surplus(ports: Ports, uow: UnitOfWork, settlement: Settlement, moment: Moment) -> None:
    """Write down the refund of a surplus payment, unless one is under way or was refused for this very balance."""
    attempt = settlement.attempt
    if not (attempt.surplus and attempt.holds_money):
        return
    left = refundable(attempt)
    if any(refund.is_open or refund.balance == left for refund in uow.refunds.of_attempt(attempt.id)):
        return
    paid = settlement.invoice.status is InvoiceStatus.PAID
    uow.refunds.add(
        Refund(
            id=ports.ids.new("rfd"),
            attempt_id=attempt.id,
            money=Money(left, attempt.money.currency),
            balance=left,
            cause=RefundCause.SURPLUS,
            reason="paid twice" if paid else "paid although nothing was owed",
            created_at=moment.billing,
            next_step_at=moment.real,
        )
    )
