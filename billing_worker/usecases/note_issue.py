"""Keep which payment issued a key, as the gateway shows it."""

from billing_worker.domain.billing_key import BillingKey, IssuingPayment
from billing_worker.domain.payment import Evidence, GatewayPayment
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork


def note_issue(ports: Ports, uow: UnitOfWork, key: BillingKey, payment: GatewayPayment, evidence: Evidence) -> None:
    """Note it on the locked key, once; the caller saves the key."""
    if key.issue is not None and key.issue.imp_uid == payment.imp_uid:
        return
    kept = uow.keep_evidence(None, evidence, ports.clock.real_now())
    when = payment.paid_at or payment.started_at
    issue = IssuingPayment(payment.imp_uid, payment.merchant_uid, payment.money, when, payment.buyer_email, kept)
    key.issued_by(issue)
