"""Alerts about one charge: opened by the outcome that causes one, closed by the outcome that ends its cause."""

from billing_worker.domain.alerts import AlertKind, Fact, Facts
from billing_worker.domain.declines.reasons import Advice
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Approved, Declined, Failed, Outcome, Unknown
from billing_worker.domain.settlement import Settlement
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.environment import stands_in_for_a_lost_one

OUTAGE_ALERT = 5
"""An invoice that could not be placed this many times in a row needs an operator."""


def alert(uow: UnitOfWork, settlement: Settlement, outcome: Outcome, was: AttemptStatus, moment: Moment) -> None:
    """Open the alert of this outcome, if any; the attempt `was` in this state before it."""
    _close_what_is_over(uow, settlement, outcome, was, moment)
    attempt, invoice = settlement.attempt, settlement.invoice
    if attempt.surplus:
        facts: Facts = {"payment": attempt.imp_uid, "invoice_status": invoice.status.value}
        uow.alerts.open(AlertKind.SURPLUS_PAYMENT, invoice.id, facts, moment)
    if isinstance(outcome, Failed) and outcome.taken_back:
        _alert_taken_back(uow, settlement, moment)
    elif isinstance(outcome, Failed) and invoice.failures >= OUTAGE_ALERT:
        uow.alerts.open(AlertKind.NOT_PLACED, invoice.id, {"reason": outcome.reason}, moment)
    elif isinstance(outcome, Declined) and outcome.decline.advice is Advice.FIX_CONFIGURATION:
        about: Facts = {"case": outcome.decline.category.value, "reason": outcome.reason, "invoice": invoice.id}
        uow.alerts.open(AlertKind.MERCHANT_REFUSED, settlement.key.pg_provider, about, moment)
    alert_mismatch(uow, settlement, outcome, moment)


def alert_mismatch(uow: UnitOfWork, settlement: Settlement, outcome: Outcome, moment: Moment) -> None:
    """Open the alert about a payment that contradicts the request."""
    if isinstance(outcome, Unknown) and outcome.alarming:
        uow.alerts.open(AlertKind.MISMATCH, settlement.attempt.id, {"reason": outcome.reason}, moment)


def _close_what_is_over(
    uow: UnitOfWork, settlement: Settlement, outcome: Outcome, was: AttemptStatus, moment: Moment
) -> None:
    """Close alerts whose cause is gone. It queries only if one may be open, so most charges cost nothing here."""
    attempt, invoice = settlement.attempt, settlement.invoice
    if not attempt.is_open and (attempt.looks > 0 or was is AttemptStatus.UNKNOWN):
        uow.alerts.close(AlertKind.UNKNOWN, attempt.id, moment)
        uow.alerts.close(AlertKind.MISMATCH, attempt.id, moment)
    placed = not isinstance(outcome, Failed | Unknown)
    if placed and invoice.failures >= OUTAGE_ALERT:
        uow.alerts.close(AlertKind.NOT_PLACED, invoice.id, moment)
    refused = any(each.decline_advice is Advice.FIX_CONFIGURATION for each in settlement.attempts)
    if refused and isinstance(outcome, Approved):
        uow.alerts.close(AlertKind.MERCHANT_REFUSED, settlement.key.pg_provider, moment)
    if invoice.taken_back and invoice.status is not InvoiceStatus.OPEN:
        uow.alerts.close(AlertKind.TAKEN_BACK, invoice.id, moment)


def _alert_taken_back(uow: UnitOfWork, settlement: Settlement, moment: Moment) -> None:
    attempt, invoice, owner = settlement.attempt, settlement.invoice, settlement.invoice.subscription_id
    facts: dict[str, Fact] = {"attempt": attempt.id}
    if owner is not None:
        facts |= {"subscription": owner}
    single = "" if owner is not None else "single_"
    if invoice.awaits_decision:
        facts |= {"case": f"{single}waits", "times": invoice.taken_back}
    elif invoice.next_attempt_at is not None:
        facts |= {"case": "again", "next": f"{invoice.next_attempt_at:%Y-%m-%d %H:%M} UTC"}
    else:
        facts |= {"case": f"{single}over"}
    uow.alerts.open(AlertKind.TAKEN_BACK, invoice.id, facts, moment)


def alert_unasked(ports: Ports, uow: UnitOfWork, settlement: Settlement, moment: Moment) -> None:
    """Open the alert, once. A surplus payment has its own (`surplus_payment`), and so has an issuing payment.

    A restored database was not asked, but the one before it was: there the alert is closed at once.
    """
    attempt, issue = settlement.attempt, settlement.keys[settlement.attempt.billing_key_id].issue
    issued = issue is not None and issue.imp_uid == attempt.imp_uid
    if not attempt.found or attempt.surplus or attempt.status is not AttemptStatus.APPROVED or issued:
        return
    facts: Facts = {
        "payment": attempt.imp_uid,
        "money": str(attempt.money),
        "order": attempt.merchant_uid,
        "invoice": settlement.invoice.id,
    }
    if not uow.alerts.has(AlertKind.UNASKED_PAYMENT, attempt.id, facts):
        uow.alerts.open(AlertKind.UNASKED_PAYMENT, attempt.id, facts, moment)
        if stands_in_for_a_lost_one(ports, uow):
            uow.alerts.close(AlertKind.UNASKED_PAYMENT, attempt.id, moment)
