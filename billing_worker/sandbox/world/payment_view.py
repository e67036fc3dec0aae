"""The form of a record in an answer: the PaymentAnnotation, CustomerAnnotation and schedule of the PortOne V1 spec."""

from typing import Any

from billing_worker.sandbox.records import Json, Key, Payment, Schedule

CARD = {
    "card_code": "361",
    "card_name": "BC카드",
    "card_issuer_code": "361",
    "card_issuer_name": "BC카드",
    "card_publisher_code": "361",
    "card_publisher_name": "BC카드",
}
EMPTY_PAYMENT: Json = {
    "imp_uid": "", "merchant_uid": "", "pay_method": "card", "channel": "api", "pg_provider": "",
    "emb_pg_provider": None, "pg_tid": None, "pg_id": "sandbox_mid", "sandbox": False, "escrow": False,
    "apply_num": None, "bank_code": None, "bank_name": None, **CARD, "card_quota": 0, "card_number": None,
    "card_type": None, "vbank_code": None, "vbank_name": None, "vbank_num": None, "vbank_holder": None, "vbank_date": 0,
    "vbank_issued_at": 0, "name": None, "amount": 0, "cancel_amount": 0, "currency": "KRW", "buyer_name": None,
    "buyer_email": None, "buyer_tel": None, "buyer_addr": None, "buyer_postcode": None, "custom_data": None,
    "user_agent": None, "status": "ready", "started_at": 0, "paid_at": 0, "failed_at": 0, "cancelled_at": 0,
    "fail_reason": None, "cancel_reason": None, "receipt_url": None, "cancel_history": [], "deposit_history": [],
    "cancel_receipt_urls": [], "cash_receipt_issued": False, "customer_uid": None, "customer_uid_usage": None,
    "promotion": None,
}  # fmt: skip
ECHOED = ("name", "buyer_name", "buyer_email", "buyer_tel", "buyer_addr", "buyer_postcode", "custom_data", "user_agent")
CUSTOMER_FIELDS = ("customer_name", "customer_tel", "customer_email", "customer_addr", "customer_postcode")
SCHEDULE_FIELDS = ("name", "buyer_name", "buyer_email", "buyer_tel", "buyer_addr", "buyer_postcode", "custom_data")
VISIBLE_DIGITS = 6


def plain(amount: float) -> float:
    """Return 8900 and not 8900.0: KRW has no decimals."""
    return int(amount) if amount == int(amount) else amount


def masked(card_number: str) -> str | None:
    """Mask a card number the way PGs do, with the middle hidden."""
    digits = card_number.replace("-", "")
    if not digits:
        return None
    return digits[:VISIBLE_DIGITS] + "*" * (len(digits) - VISIBLE_DIGITS - 4) + digits[-4:]


def receipt(imp_uid: str) -> str:
    """Return the address of a receipt, which does not exist."""
    return f"https://sandbox.invalid/receipts/{imp_uid}"


def payment_answer(payment: Payment) -> Json:
    """Return a payment as the gateway shows it."""
    given = payment.given
    answer = EMPTY_PAYMENT.copy()
    for name in ECHOED:
        if name in given:
            answer[name] = given[name]
    taken = payment.status in {"paid", "cancelled"}
    answer.update(
        imp_uid=payment.imp_uid,
        merchant_uid=payment.merchant_uid,
        channel=payment.channel,
        pg_provider=payment.pg_provider,
        pg_tid=f"{payment.pg_provider}_{payment.imp_uid}",
        sandbox=payment.sandbox,
        apply_num=payment.imp_uid[-8:] if taken else None,
        card_quota=given.get("card_quota", 0),
        card_number=masked(payment.card_number),
        amount=plain(payment.amount),
        cancel_amount=plain(payment.cancel_amount),
        currency=payment.currency,
        status=payment.status,
        started_at=payment.started_at,
        paid_at=payment.paid_at,
        failed_at=payment.failed_at,
        cancelled_at=payment.cancelled_at,
        fail_reason=payment.fail_reason,
        cancel_reason=payment.cancel_reason,
        receipt_url=receipt(payment.imp_uid) if taken else None,
        cancel_history=payment.cancel_history,
        cancel_receipt_urls=[receipt(payment.imp_uid) for _ in payment.cancel_history],
        customer_uid=payment.customer_uid,
        customer_uid_usage=payment.usage,
    )
    if payment.nameless:
        del answer["customer_uid"]
    return answer


def ledger_row(payment: Payment) -> Json:
    """Return a payment as the control endpoint shows it: the money, the times, and its cause."""
    return {
        "order": payment.order,
        "imp_uid": payment.imp_uid,
        "merchant_uid": payment.merchant_uid,
        "customer_uid": payment.customer_uid,
        "amount": plain(payment.amount),
        "cancel_amount": plain(payment.cancel_amount),
        "currency": payment.currency,
        "status": payment.status,
        "started_at": payment.started_at,
        "paid_at": payment.paid_at,
        "failed_at": payment.failed_at,
        "cancelled_at": payment.cancelled_at,
        "fail_reason": payment.fail_reason,
        "pg_provider": payment.pg_provider,
        "origin": payment.origin,
        "behaviour": payment.behaviour,
        "ref": payment.ref or None,
    }


def customer_answer(key: Key, *, sandbox: bool) -> Json:
    """Return a billing key as the gateway shows it. `inserted != updated` means: another card under the same uid."""
    answer: dict[str, Any] = {
        "customer_uid": key.customer_uid,
        "pg_provider": key.pg_provider,
        "pg_id": "sandbox_mid",
        "sandbox": sandbox,
        "customer_id": key.customer_id,
        **CARD,
        "card_number": masked(key.card_number),
        "card_type": 0,
        "inserted": key.inserted,
        "updated": key.updated,
    }
    return answer | {name: key.given.get(name) for name in CUSTOMER_FIELDS}


def schedule_answer(schedule: Schedule, payment: Payment | None, key: Key | None) -> Json:
    """Return a schedule as the gateway shows it."""
    return {
        "customer_uid": schedule.customer_uid,
        "merchant_uid": schedule.merchant_uid,
        "imp_uid": schedule.imp_uid,
        "pg_provider": key.pg_provider if key else None,
        "pg_id": "sandbox_mid",
        "customer_id": key.customer_id if key else None,
        "schedule_at": schedule.schedule_at,
        "executed_at": schedule.executed_at,
        "revoked_at": schedule.revoked_at,
        "amount": plain(schedule.amount),
        "currency": schedule.currency,
        **{name: schedule.given.get(name) for name in SCHEDULE_FIELDS},
        "schedule_status": schedule.schedule_status,
        "payment_status": payment.status if payment else None,
        "fail_reason": payment.fail_reason if payment else None,
        "promotion_id": schedule.given.get("promotion_id"),
    }
