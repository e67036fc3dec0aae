"""A payment under our order that nobody here asked for, and that pays an invoice: somebody charged at the console."""

from datetime import datetime

from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.settlement import Settlement
from billing_worker.ports.storage import UnitOfWork

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
