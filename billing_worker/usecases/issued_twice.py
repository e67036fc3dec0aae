"""A card that was given twice was charged twice: a person is told, whoever sees it first, and once."""

from billing_worker.domain.payment import GatewayPayment
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork

PROPOSAL = "the customer paid each time the card was given: give back in PortOne's console what was not owed"


def what_was_seen(payment: GatewayPayment, key_id: str, first: str) -> str:
    """In the same words for whoever sees it, or it would be told again."""
    return f"payment {payment.imp_uid} over {payment.money} issued key {key_id} as well as payment {first} did"


def alert_another_issue(ports: Ports, uow: UnitOfWork, payment: GatewayPayment, key_id: str, first: str) -> None:
    """Open the alert, unless that was done before."""
    detail = what_was_seen(payment, key_id, first)
    if not uow.alerts.told("issued_twice", payment.imp_uid, detail):
        uow.alerts.open("issued_twice", payment.imp_uid, detail, ports.clock.now(), proposal=PROPOSAL)
