"""Example values by field name, for fields without their own example in the API's description."""

from collections.abc import Iterator, Mapping
from typing import Any

TIME = "2026-03-31T00:00:00Z"

EXAMPLES: Mapping[str, Any] = {
    # Ids
    "plan_id": "plan_0123456789abcdef",
    "billing_key_id": "key_0123456789abcdef",
    "subscription_id": "sub_0123456789abcdef",
    "attempt_id": "att_0123456789abcdef",
    "counts_for": "sub_0123456789abcdef",
    "subject_id": "inv_0123456789abcdef",
    "existing_id": "sub_0123456789abcdef",
    "idempotency_key": "order-1001-refund",
    "merchant_uid": "bw0123456789abcdefp00000g01",
    "imp_uid": "imp_123456789012",
    "issuing_payment": "imp_123456789012",
    "evidence_id": 1204,
    "next_cursor": "WyJwbGFucyIsIjIwMjYtMDMtMzFUMDA6MDA6MDArMDA6MDAiLCJwbGFuXzAxMjMiXQ",
    # Customers and their cards
    "customer": "user-1",
    "buyer_name": "홍길동",
    "buyer_email": "gildong@example.com",
    "buyer_tel": "010-0000-0000",
    "pg_provider": "nice_v2",
    "goodsid": "gold",
    "product": "정기결제 카드 등록",
    "problem": "한도초과",
    "return_url": "https://shop.example.com/account",
    "invalid_reason": "expired card",
    # Plans
    "interval_count": 1,
    "cron": "0 9 L * *",
    "timezone": "Asia/Seoul",
    "dunning_days": [1, 3, 5, 7],
    "dunning_policy": "paydays",
    "catch_up_max_age": 90,
    "metadata": {"team": "sales"},
    # Invoices, attempts and refunds
    "number": 1,
    "period_index": 0,
    "next_period_index": 1,
    "attempt_count": 1,
    "decline_count": 0,
    "last_reason": "balance too low",
    "send_count": 1,
    "notice_url": "https://shop.example/portone",
    "tax_free": 9900,
    "vat_amount": 900,
    "card_quota": 3,
    "custom_data": "basket 42",
    "order_id": "order-1001",
    "at": "2026-03-31T00:00:00Z",
    "retry_days": [1, 3],
    # Stops, alerts and actions
    "scope": "pg:nice_v2",
    "reason": "amounts look wrong",
    "note": "checked with the bank",
    "detail": "stopped for pg:nice_v2: amounts look wrong",
    "proposal": "look at the payment in PortOne's console",
    "waiting_invoices": 12,
    # Events and notifications
    "stream": "sub_0123456789abcdef",
    "sequence": 4711,
    "version": 1,
    "data": {"subscription_id": "sub_0123456789abcdef", "amount": 9900, "currency": "KRW"},
    "tries": 1,
    "replays": 0,
    "url": "https://shop.example/billing-events",
    "last_trouble": "the receiver answered HTTP 503",
    "source": "portone",
    "payload": {"imp_uid": "imp_123456789012", "merchant_uid": "bw0123456789abcdefp00000g01", "status": "paid"},
    "deliveries": 1,
    "unanswered": 0,
    "led_to": "inv_0123456789abcdef",
    "answer": {"request": "GET /payments/imp_123456789012", "http_status": 200, "body": "{}"},
    # Explanations and counters
    "subject": "invoice inv_0123456789abcdef: 9,900 KRW for 2026-03-31 to 2026-04-30",
    "history": ["2026-03-31 09:00 KST attempt 1 (att_0123456789abcdef): approved"],
    "actions": ["2026-03-30 18:00 KST token:shop: subscription.created sub_0123456789abcdef"],
    "alerts": ["stopped: stop 3 of pg:nice_v2: amounts look wrong"],
    "next": "Nothing: this is final.",
    "status": "ok",
    "per_minute": 600,
}
"""Fields of the same name mean the same everywhere. Counters that are missing here are small numbers."""

OF_SCHEMA: Mapping[tuple[str, str], Any] = {
    ("Explanation", "notices"): ["2026-03-31 09:00 KST failed by mail: sent, 2026-03-31 09:00 KST"],
    ("Explanation", "answer"): "It is paid: 9,900 KRW, by attempt att_0123456789abcdef.",
    ("RefundInput", "reason"): "two days without service",
    ("Health", "version"): "1.0.0",
}
"""Examples for fields whose name alone does not decide."""

COUNTED = 3


def exemplify(schemas: dict[str, Any]) -> None:
    """Give an example to every field that has neither its own example nor a list of words."""
    for name, schema in schemas.items():
        for field, described in schema.get("properties", {}).items():
            if not says_it_itself(described):
                described["examples"] = [_example(name, field, described)]


def says_it_itself(described: Mapping[str, Any]) -> bool:
    """Whether a field needs no example: it has one, is true or false, or is described in a place of its own."""
    kinds = list(_kinds(described))
    whole = "examples" in described or any("$ref" in kind or kind.get("type") == "boolean" for kind in kinds)
    return whole or any("$ref" in kind.get("items", {}) for kind in kinds)


def _example(schema: str, field: str, described: Mapping[str, Any]) -> Any:
    kinds = list(_kinds(described))
    known = OF_SCHEMA.get((schema, field), EXAMPLES.get(field))
    if known is not None:
        return known
    if any(kind.get("format") == "date-time" for kind in kinds):
        return TIME
    if any(kind.get("type") == "integer" for kind in kinds):
        return COUNTED
    raise LookupError(f"{schema}.{field} has no example; name one here or beside the field")


def _kinds(described: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield described
    yield from described.get("anyOf", ())
