"""Note the payment that issued a key, as the gateway shows it."""

from datetime import datetime

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.billing_key import BillingKey, IssuingPayment
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Evidence, GatewayPayment
from billing_worker.ports.storage import UnitOfWork


def note_issue(
    uow: UnitOfWork, key: BillingKey, payment: GatewayPayment, evidence: Evidence, real_now: datetime
) -> None:
    """Note it on the locked key, once; the caller saves the key."""
    if key.issue is not None and key.issue.imp_uid == payment.imp_uid:
        return
    kept = uow.keep_evidence(None, evidence, real_now)
    when = payment.paid_at or payment.started_at
    issue = IssuingPayment(payment.imp_uid, payment.merchant_uid, payment.money, when, payment.buyer_email, kept)
    key.issued_by(issue)


def facts_of_another_issue(payment: GatewayPayment, key_id: str, first: str) -> Facts:
    """The facts of the alert. Every path that notices it uses the same ones; otherwise the alert would open again."""
    return {"money": str(payment.money), "key": key_id, "first": first}


def alert_another_issue(uow: UnitOfWork, payment: GatewayPayment, key_id: str, first: str, moment: Moment) -> None:
    """Open the alert, once."""
    facts = facts_of_another_issue(payment, key_id, first)
    if not uow.alerts.has(AlertKind.ISSUED_TWICE, payment.imp_uid, facts):
        uow.alerts.open(AlertKind.ISSUED_TWICE, payment.imp_uid, facts, moment)
