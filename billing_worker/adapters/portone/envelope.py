"""Parse bytes from PortOne to an envelope and payments, checked for shape.

Unclear input raises an error; it is never guessed.

Tolerant where PortOne may change its answers (unknown fields, new enum values, numbers as strings), strict everywhere
else: a payment that cannot be read exactly proves nothing.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

from billing_worker.adapters.masking import one_line, storable
from billing_worker.domain.billing_key import is_email
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Cancellation, GatewayPayment, PaymentStatus

ISSUES = "issue"
"""The `customer_uid_usage` of the payment with which a key was issued."""

LARGEST_MAGNITUDE = 15
"""Digits of a whole number: far more than any payment or time has, and few enough to be cheap."""

MOST_NAMES = 50_000
"""A payment has about 60 fields, and a page at most as many payments as a megabyte holds. A megabyte of names alone
would keep a worker busy."""

_INTEGER = re.compile(r"-?[0-9]{1,15}")
_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,6})?")
IMP_UID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LAST_SECOND = 253_402_300_799  # the year 9999


class NotUnderstood(Exception):
    """The answer cannot be relied upon; the text names the place."""


class OnTestChannel(NotUnderstood):
    """A payment on a test channel, which moved no money, shown to a worker that charges real cards."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """`{"code", "message", "response"}`: the form of every answer of PortOne V1."""

    code: int
    message: str
    response: Any


def read_envelope(body: bytes) -> Envelope:
    """The envelope in these bytes. Raises NotUnderstood, and nothing else, for any other bytes."""
    if body.count(b'":') > MOST_NAMES:
        raise NotUnderstood("the answer has more fields than any page of payments")
    try:
        document = json.loads(
            body.decode("utf-8"),
            parse_float=_decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise NotUnderstood("the answer is not UTF-8") from error
    except RecursionError as error:
        raise NotUnderstood("the answer is nested too deeply") from error
    except ValueError as error:  # malformed JSON, or an integer of thousands of digits
        raise NotUnderstood("the answer is not JSON") from error
    if not isinstance(document, dict):
        raise NotUnderstood("the answer is not a JSON object")
    message = document.get("message")
    if not isinstance(message, str | None):
        raise NotUnderstood("message is not a text")
    return Envelope(read_integer(document, "code"), message or "", document.get("response"))


def read_payment(row: object, *, test_channels: bool = False) -> GatewayPayment:
    """One payment as PortOne describes it (PaymentAnnotation of the V1 spec).

    Raises NotUnderstood; OnTestChannel if `sandbox` is true (since 2026-01-26) without `test_channels`.
    """
    if not isinstance(row, dict):
        raise NotUnderstood("a payment is not a JSON object")
    on_test_channel = row.get("sandbox")
    if not isinstance(on_test_channel, bool | None):
        raise NotUnderstood("sandbox is neither true nor false")
    if on_test_channel and not test_channels:
        raise OnTestChannel(
            "the payment was made on a test channel, where no money moves, and BILLING_PORTONE_INCLUDE_SANDBOX is off"
        )
    imp_uid = read_text(row, "imp_uid")
    merchant_uid = read_text(row, "merchant_uid")
    currency = read_text(row, "currency")
    status = read_text(row, "status")
    if imp_uid is None or not IMP_UID.fullmatch(imp_uid):
        raise NotUnderstood("imp_uid is missing or malformed")
    if not merchant_uid or not currency or not status:
        raise NotUnderstood("merchant_uid, currency or status is missing")
    money = read_money(row.get("amount"), currency)
    given_back = row.get("cancel_amount")
    cancelled = Money(0, money.currency) if given_back is None else read_money(given_back, currency)
    if cancelled.amount > money.amount:
        raise NotUnderstood("more was given back than was paid")
    fail_reason = read_text(row, "fail_reason")
    return GatewayPayment(
        imp_uid=imp_uid,
        merchant_uid=merchant_uid,
        customer_uid=read_text(row, "customer_uid"),
        status=_status(status),
        money=money,
        cancelled=cancelled,
        pg_provider=read_text(row, "pg_provider"),
        fail_reason=one_line(fail_reason) if fail_reason else None,
        started_at=read_time(row, "started_at"),
        paid_at=read_time(row, "paid_at"),
        cancellations=_cancellations(row.get("cancel_history"), currency),
        issues_key=usage == ISSUES if isinstance(usage := row.get("customer_uid_usage"), str) else None,
        buyer_email=_email(row.get("buyer_email")),
    )


def read_integer(row: dict[str, Any], name: str) -> int:
    """A whole number, or a text of one. Raises NotUnderstood."""
    value = row.get(name)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**LARGEST_MAGNITUDE:
        return value
    raise NotUnderstood(f"{name} is not a whole number of a sensible size")


def read_money(value: object, currency: str) -> Money:
    """An amount in major units, exact. Raises NotUnderstood."""
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        raise NotUnderstood("an amount is not a plain number")
    # An exponent (1e3) is exact, but PortOne was never observed to write one.
    if isinstance(value, Decimal) and int(value.as_tuple().exponent) > 0:
        raise NotUnderstood("an amount is not a plain number")
    try:
        money = Money.from_major(value, currency)
    except InvalidInput as error:
        raise NotUnderstood(f"{error.field} {error.problem}") from error
    if money.amount < 0:
        raise NotUnderstood("an amount is negative")
    return money


def read_text(row: dict[str, Any], name: str) -> str | None:
    """A text, or nothing. Raises NotUnderstood."""
    value = row.get(name)
    if not isinstance(value, str | None):
        raise NotUnderstood(f"{name} is not a text")
    return None if value is None else storable(value)


def read_time(row: dict[str, Any], name: str) -> datetime | None:
    """A time in unix seconds, or nothing: a 0 is no time. Raises NotUnderstood."""
    if row.get(name) in (None, ""):
        return None
    seconds = read_integer(row, name)
    if not 0 <= seconds <= _LAST_SECOND:
        raise NotUnderstood(f"{name} is not a time")
    return datetime.fromtimestamp(seconds, UTC) if seconds else None  # 0: has not happened


def _cancellations(rows: object, currency: str) -> tuple[Cancellation, ...]:
    if rows is None:
        return ()
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotUnderstood("cancel_history is not a list of cancellations")
    return tuple(Cancellation(read_money(row.get("amount"), currency), read_text(row, "reason")) for row in rows)


def _status(word: str) -> PaymentStatus:
    try:
        return PaymentStatus(word)
    except ValueError:
        return PaymentStatus.UNRECOGNISED


def _email(value: object) -> str | None:
    """The e-mail, or None for one that no key may carry: such a payment is still valid.

    PortOne accepts any text that the customer typed in the browser, even `none` or a trailing space.
    """
    return value if isinstance(value, str) and is_email(value) else None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError as error:  # an exponent beyond what decimal can hold
        raise ValueError("a number is out of range") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        # Two "status" fields would contradict each other.
        raise ValueError("a name occurs twice")
    return names


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
