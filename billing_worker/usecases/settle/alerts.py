"""Alerts about one charge: opened with the outcome that calls for a person, closed with the one that ends the cause."""

from datetime import datetime

from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.payment import Failed, Outcome, Unknown
from billing_worker.domain.settlement import Settlement
from billing_worker.ports.storage import UnitOfWork

OUTAGE_ALERT = 5
"""An invoice that could not be placed this many times in a row is no hiccup any more."""


def alert(uow: UnitOfWork, settlement: Settlement, outcome: Outcome, was: AttemptStatus, now: datetime) -> None:
    """Tell what this outcome means for a person; the attempt `was` in this state before it."""
    _close_what_is_over(uow, settlement, outcome, was, now)
    attempt, invoice = settlement.attempt, settlement.invoice
    if attempt.surplus:
        detail = f"payment {attempt.imp_uid} came although the invoice is {invoice.status}; it is being refunded"
        uow.alerts.open("surplus_payment", invoice.id, detail, now)
    if isinstance(outcome, Failed) and outcome.taken_back:
        _alert_taken_back(uow, settlement, now)
    elif isinstance(outcome, Failed) and invoice.failures >= OUTAGE_ALERT:
        uow.alerts.open("not_placed", invoice.id, outcome.reason, now)
    alert_mismatch(uow, settlement, outcome, now)


def alert_mismatch(uow: UnitOfWork, settlement: Settlement, outcome: Outcome, now: datetime) -> None:
    """Tell of a payment that contradicts what was asked for."""
    if isinstance(outcome, Unknown) and outcome.alarming:
        uow.alerts.open("mismatch", settlement.attempt.id, outcome.reason, now)


def _close_what_is_over(
    uow: UnitOfWork, settlement: Settlement, outcome: Outcome, was: AttemptStatus, now: datetime
) -> None:
    """Asked only where such an alert may be open: most charges are one answer, and cost nothing here."""
    attempt, invoice = settlement.attempt, settlement.invoice
    if not attempt.is_open and (attempt.looks > 0 or was is AttemptStatus.UNKNOWN):
        uow.alerts.close("unknown", attempt.id, now)
        uow.alerts.close("mismatch", attempt.id, now)
    placed = not isinstance(outcome, Failed | Unknown)
    if placed and invoice.failures >= OUTAGE_ALERT:
        uow.alerts.close("not_placed", invoice.id, now)
    if invoice.taken_back and invoice.status is not InvoiceStatus.OPEN:
        uow.alerts.close("taken_back", invoice.id, now)


def _alert_taken_back(uow: UnitOfWork, settlement: Settlement, now: datetime) -> None:
    attempt, invoice, owner = settlement.attempt, settlement.invoice, settlement.subscription.id
    cancel = f"billing-worker subscription cancel {owner}"
    then = f"next try {invoice.next_attempt_at}" if invoice.next_attempt_at else "not tried again"
    proposal = f"if the customer shall not pay this period, within a day: {cancel}; otherwise there is nothing to do"
    if invoice.awaits_decision:
        then = f"{invoice.taken_back} times by now, so it waits for a person's decision"
        proposal = (
            f"charge it once more: billing-worker invoice retry {invoice.id}; or end the subscription: {cancel}; "
            "leave it as it is, and nothing is charged for this period"
        )
    detail = f"attempt {attempt.id}: paid and taken back at the gateway; {then}"
    uow.alerts.open("taken_back", invoice.id, detail, now, proposal=proposal)


PROPOSAL = (
    "the books are right: find out who charged (PortOne's console, Recovery, a schedule), turn Recovery and schedules "
    "off, and close this alert"
)


def alert_unasked(uow: UnitOfWork, settlement: Settlement, now: datetime) -> None:
    """Open the alert, once. One too many has its own (`surplus_payment`), and so has the payment that issued a key."""
    attempt, issue = settlement.attempt, settlement.key.issue
    issued = issue is not None and issue.imp_uid == attempt.imp_uid
    if not attempt.found or attempt.surplus or attempt.status is not AttemptStatus.APPROVED or issued:
        return
    detail = (
        f"payment {attempt.imp_uid} over {attempt.money} was taken under our order {attempt.merchant_uid}; this worker "
        f"had not asked for it. It pays invoice {settlement.invoice.id}"
    )
    if not uow.alerts.told("unasked_payment", attempt.id, detail):
        uow.alerts.open("unasked_payment", attempt.id, detail, now, proposal=PROPOSAL)
