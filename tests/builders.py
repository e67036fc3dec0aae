"""Small builders for domain values: valid defaults, any field overridden by keyword."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.calendar import AnchoredCalendar, Unit
from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.dunning.policy import DunningPolicy, days
from billing_worker.domain.dunning.version import PolicyVersion
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus, PaymentAttempt, Period
from billing_worker.domain.money import Money
from billing_worker.domain.payment import (
    Approved,
    ChargeRequest,
    Declined,
    Evidence,
    Failed,
    GatewayPayment,
    Outcome,
    PaymentStatus,
    Unknown,
)
from billing_worker.domain.plan import Plan
from billing_worker.domain.settlement import LockedInvoice, Settlement
from billing_worker.domain.subscription import Subscription, SubscriptionStatus

NOW = datetime(2026, 1, 31, 0, 0, tzinfo=UTC)
"""31 January 2026, 09:00 in Seoul."""

ORDER = "t0123456789abcdefp00000g01"
CARD = "user-1-card-1"
WON = Money(9900, "KRW")
EVIDENCE = Evidence(source="answer", request="POST /subscribe/payments/again", http_status=200, body="{}")


def won(amount: int) -> Money:
    return Money(amount, "KRW")


def utc(text: str) -> datetime:
    """An aware UTC time from ISO text without an offset."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_policy() -> PolicyVersion:
    """The one of `a_plan` and `an_invoice`."""
    return PolicyVersion("days-1-3-5-7", 1, days(1, 3, 5, 7), NOW)


def a_plan(**fields: Any) -> Plan:
    defaults: dict[str, Any] = {
        "id": "plan_basic",
        "name": "Basic",
        "money": WON,
        "calendar": AnchoredCalendar(Unit.MONTH, 1),
        "dunning_policy": "days-1-3-5-7",
        "created_at": NOW,
    }
    return Plan(**defaults | fields)


def a_key(**fields: Any) -> BillingKey:
    defaults: dict[str, Any] = {
        "id": "key_1",
        "customer_uid": CARD,
        "pg_provider": "nice_v2",
        "status": KeyStatus.ACTIVE,
        "buyer_name": None,
        "buyer_email": None,
        "buyer_tel": None,
        "created_at": NOW,
    }
    return BillingKey(**defaults | fields)


def a_paymentwall_key(**fields: Any) -> BillingKey:
    defaults: dict[str, Any] = {
        "pg_provider": "paymentwall",
        "status": KeyStatus.PENDING,
        "buyer_name": "Gildong Hong",
        "buyer_email": "gildong@example.com",
    }
    return a_key(**defaults | fields)


def a_subscription(**fields: Any) -> Subscription:
    defaults: dict[str, Any] = {
        "id": "sub_0123456789abcdef",
        "plan_id": "plan_basic",
        "billing_key_id": "key_1",
        "customer": "user-1",
        "status": SubscriptionStatus.ACTIVE,
        "anchor": NOW,
        "next_period_index": 0,
        "next_period_start": NOW,
        "created_at": NOW,
    }
    return Subscription(**defaults | fields)


def an_invoice(**fields: Any) -> Invoice:
    defaults: dict[str, Any] = {
        "id": "inv_1",
        "subscription_id": "sub_0123456789abcdef",
        "billing_key_id": "key_1",
        "period": Period(0, NOW, NOW + timedelta(days=28)),
        "money": WON,
        "status": InvoiceStatus.OPEN,
        "merchant_uid": ORDER,
        "generation": 1,
        "created_at": NOW,
        "next_attempt_at": NOW,
        "dunning_policy": "days-1-3-5-7@1",
    }
    return Invoice(**defaults | fields)


def an_attempt(**fields: Any) -> PaymentAttempt:
    defaults: dict[str, Any] = {
        "id": "att_1",
        "invoice_id": "inv_1",
        "number": 1,
        "merchant_uid": ORDER,
        "billing_key_id": "key_1",
        "money": WON,
        "status": AttemptStatus.IN_FLIGHT,
        "fence": 0,
        "started_at": NOW,
        "lease_until": NOW + timedelta(seconds=90),
        "next_look_at": None,
    }
    return PaymentAttempt(**defaults | fields)


def a_settlement(
    attempt: PaymentAttempt | None = None,
    key: BillingKey | None = None,
    policy: DunningPolicy | None = None,
    **fields: Any,
) -> Settlement:
    """One open invoice of an active subscription, and its open attempt on its key."""
    attempt, key = attempt or an_attempt(), key or a_key()
    defaults: dict[str, Any] = {
        "subscription": a_subscription(),
        "invoice": an_invoice(attempts=1),
        "agreed": a_plan(),
        "policy": policy or days(1, 3, 5, 7),
        "keys": {attempt.billing_key_id: key},
        "attempts": [attempt],
    }
    return LockedInvoice(**defaults | fields).about(attempt)


def a_request(**fields: Any) -> ChargeRequest:
    defaults: dict[str, Any] = {
        "merchant_uid": ORDER,
        "customer_uid": CARD,
        "money": WON,
        "name": "Basic",
        "pg_provider": "nice_v2",
    }
    return ChargeRequest(**defaults | fields)


def a_payment(**fields: Any) -> GatewayPayment:
    """The gateway's payment that answers `a_request()`: paid, unless told otherwise."""
    money: Money = fields.get("money", WON)
    defaults: dict[str, Any] = {
        "imp_uid": "imps_000000000001",
        "merchant_uid": ORDER,
        "customer_uid": CARD,
        "status": PaymentStatus.PAID,
        "money": money,
        "cancelled": Money.from_major(Decimal(0), money.currency),
        "pg_provider": "nice_v2",
        "fail_reason": None,
        "started_at": NOW,
        "paid_at": NOW,
    }
    return GatewayPayment(**defaults | fields)


def approved(**fields: Any) -> Approved:
    return Approved(a_payment(**fields), EVIDENCE)


def declined(reason: str = "한도초과", imp_uid: str | None = "imps_000000000009", pg: str = "nice_v2") -> Declined:
    return Declined(normalise(pg, reason), reason, EVIDENCE, imp_uid)


def failed(reason: str = "connection refused") -> Failed:
    return Failed(reason, EVIDENCE)


def unknown(reason: str = "no answer within 65 s") -> Unknown:
    return Unknown(reason, EVIDENCE)


OUTCOMES: dict[str, Outcome] = {
    "approved": approved(),
    "declined softly": declined(),
    "declined hard": declined("분실카드"),
    "failed": failed(),
    "unknown": unknown(),
}
