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


PROPOSAL = "the customer paid each time the card was given: give back in PortOne's console what was not owed"


def what_was_seen(payment: GatewayPayment, key_id: str, first: str) -> str:
    """In the same words for whoever sees it, or it would be told again."""
    return f"payment {payment.imp_uid} over {payment.money} issued key {key_id} as well as payment {first} did"


def alert_another_issue(ports: Ports, uow: UnitOfWork, payment: GatewayPayment, key_id: str, first: str) -> None:
    """Open the alert, unless that was done before."""
    detail = what_was_seen(payment, key_id, first)
    if not uow.alerts.told("issued_twice", payment.imp_uid, detail):
        uow.alerts.open("issued_twice", payment.imp_uid, detail, ports.clock.now(), proposal=PROPOSAL)
