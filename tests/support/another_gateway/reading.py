"""A try of the second gateway as the port's payment."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing_worker.domain.card import CardFacts, last_digits
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Cancellation, GatewayPayment, PaymentStatus
from billing_worker.ports.outside import KeyReading, StoredKey

STATUSES: Mapping[str, PaymentStatus] = {
    "READY": PaymentStatus.READY,
    "PAY_PENDING": PaymentStatus.READY,
    "PAID": PaymentStatus.PAID,
    "FAILED": PaymentStatus.FAILED,
    "PARTIAL_CANCELLED": PaymentStatus.CANCELLED,
    "CANCELLED": PaymentStatus.CANCELLED,
}


def payment_in(row: dict[str, Any]) -> GatewayPayment:
    """The payment in a row of `GET /payments/{paymentId}/transactions`."""

    def money(minor: int) -> Money:
        return Money(minor, row["currency"])

    failure = row.get("failure", {})
    return GatewayPayment(
        imp_uid=row["id"],
        merchant_uid=row["paymentId"],
        customer_uid=row.get("billingKey"),
        status=STATUSES.get(row["status"], PaymentStatus.UNRECOGNISED),
        money=money(row["amount"]["total"]),
        cancelled=money(row["amount"]["cancelled"]),
        pg_provider=row["channel"]["pgProvider"].lower(),
        fail_reason=failure.get("pgMessage") or failure.get("reason"),
        started_at=datetime.fromisoformat(row["requestedAt"]),
        paid_at=datetime.fromisoformat(row["paidAt"]) if "paidAt" in row else None,
        cancellations=tuple(
            Cancellation(money(each["totalAmount"]), each["reason"])
            for each in row.get("cancellations", ())
            if each["status"] == "SUCCEEDED"
        ),
    )


def key_in(row: dict[str, Any]) -> KeyReading:
    """The key in an answer to `GET /billing-keys/{billingKey}`; a deleted one is there no more."""
    if row["status"] != "ISSUED":
        return KeyReading()
    (method,) = row["methods"]
    card = CardFacts(method["card"]["name"], last_digits=last_digits(method["card"]["number"]))
    return KeyReading(StoredKey(card, pg_provider=row["channels"][0]["pgProvider"].lower()))
