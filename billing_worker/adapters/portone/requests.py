"""The requests of PortOne V1 that a recurring charge needs, as plain values. Field names and limits: V1 spec."""

import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

import simplejson

from billing_worker.adapters.masking import storable
from billing_worker.domain.billing_key import LONGEST_CUSTOMER_UID
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.payment import ChargeRequest
from billing_worker.domain.pgs.facts import Rule
from billing_worker.domain.pgs.rules import require_id, require_money, require_product_type
from billing_worker.domain.pgs.table import following
from billing_worker.domain.refund import RefundRequest

LONGEST_NAME = 40
"""Characters of a product name that PortOne accepts."""

PAGE_SIZE = 100
"""Payments per page of findAll; the spec allows 1,000, a body of 100 stays far below the size cap."""

WANTS_ADDRESS = following(Rule.BROWSER_IP)
"""PGs that take no charge without an address of the buyer."""

_MERCHANT_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")  # a longer one is silently truncated for some PGs (spec)
_IMP_UID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CUSTOMER_UID = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_CUSTOMER_UID}}}")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, without its token."""

    method: str
    path: str
    body: bytes | None = None

    @property
    def label(self) -> str:
        """The name of the call in evidence."""
        return f"{self.method} {self.path}"


def get_token(imp_key: str, imp_secret: str) -> Call:
    """Ask for an access token."""
    return Call("POST", "/users/getToken", _json({"imp_key": imp_key, "imp_secret": imp_secret}))


def again(request: ChargeRequest, browser_ip: str, product_type: str | None = None) -> Call:
    """Charge a stored billing key.

    Raises InvalidInput for values that PortOne or the PG would refuse or silently change.
    """
    _refuse_bad("merchant_uid", request.merchant_uid, _MERCHANT_UID)
    _refuse_bad("customer_uid", request.customer_uid, _CUSTOMER_UID)
    amount = request.money.major
    if amount <= 0:
        raise InvalidInput("amount", str(amount), "must be positive")
    require_id(request.pg_provider, request.merchant_uid)
    require_money(request.pg_provider, request.money)
    product_type = require_product_type(request.pg_provider, product_type)
    fields: dict[str, str | Decimal] = {
        "customer_uid": request.customer_uid,
        "merchant_uid": request.merchant_uid,
        "amount": amount,
        "currency": request.money.currency,
        "name": storable(request.name)[:LONGEST_NAME],
    }
    buyer = {"buyer_name": request.buyer_name, "buyer_email": request.buyer_email, "buyer_tel": request.buyer_tel}
    fields |= {name: storable(value) for name, value in buyer.items() if value is not None}
    if request.pg_provider in WANTS_ADDRESS:
        fields["browser_ip"] = browser_ip
    if product_type is not None:
        fields["product_type"] = product_type
    return Call("POST", "/subscribe/payments/again", _json(fields))


def cancel(request: RefundRequest) -> Call:
    """Give money back. Raises InvalidInput for values that PortOne would refuse or read as everything.

    PortOne takes a missing amount, or 0, for a full refund; `checksum` (the balance before) is its only guard against a
    second one. `enable_webhook` stays off, as by default: the answer and the reads show the result.
    """
    _refuse_bad("imp_uid", request.imp_uid, _IMP_UID)
    if request.money.currency != request.balance.currency or not 0 < request.money.amount <= request.balance.amount:
        raise InvalidInput("amount", str(request.money), f"must be positive and at most the balance {request.balance}")
    fields: dict[str, str | Decimal] = {
        "imp_uid": request.imp_uid,
        "amount": request.money.major,
        "checksum": request.balance.major,
        "reason": storable(request.reason),
    }
    return Call("POST", "/payments/cancel", _json(fields))


def payment(imp_uid: str, *, include_sandbox: bool) -> Call:
    """Read one payment. Raises InvalidInput for an id that cannot be one."""
    _refuse_bad("imp_uid", imp_uid, _IMP_UID)
    return Call("GET", f"/payments/{quote(imp_uid, safe='')}" + ("?include_sandbox=true" if include_sandbox else ""))


def payments_of(merchant_uid: str, page: int, *, include_sandbox: bool) -> Call:
    """Read one page of the payments under a merchant_uid. Raises InvalidInput for an id that cannot be ours."""
    _refuse_bad("merchant_uid", merchant_uid, _MERCHANT_UID)
    # include_sandbox is documented for /payments/{imp_uid} only; unknown parameters are ignored by this API.
    sandbox = "&include_sandbox=true" if include_sandbox else ""
    return Call("GET", f"/payments/findAll/{quote(merchant_uid, safe='')}?limit={PAGE_SIZE}&page={page}{sandbox}")


def payments_of_key(customer_uid: str, page: int, *, include_sandbox: bool) -> Call:
    """Read one page (20, by the spec) of the payments of a billing key. Raises InvalidInput."""
    whose = customer(customer_uid)
    # include_sandbox as above: not documented here, and harmless.
    return Call("GET", f"{whose.path}/payments?page={page}" + ("&include_sandbox=true" if include_sandbox else ""))


def payments_between(start: int, end: int, page: int, size: int, *, include_sandbox: bool) -> Call:
    """Read one page of all payments whose latest change lies between two unix times, both included (V1 spec)."""
    # include_sandbox as above: not documented here, and harmless.
    sandbox = "&include_sandbox=true" if include_sandbox else ""
    return Call("GET", f"/payments/status/all?from={start}&to={end}&limit={size}&page={page}{sandbox}")


def customer(customer_uid: str) -> Call:
    """Read a billing key. Raises InvalidInput for an id that cannot be one."""
    _refuse_bad("customer_uid", customer_uid, _CUSTOMER_UID)
    if set(customer_uid) == {"."}:
        raise InvalidInput("customer_uid", customer_uid, "would become a folder of the path")
    return Call("GET", f"/subscribe/customers/{quote(customer_uid, safe='')}")


def _json(fields: dict[str, str | Decimal] | dict[str, str]) -> bytes:
    return simplejson.dumps(fields, use_decimal=True, separators=(",", ":")).encode("ascii")


def _refuse_bad(field: str, value: str, grammar: re.Pattern[str]) -> None:
    if not grammar.fullmatch(value):
        raise InvalidInput(field, f"{len(value)} characters", "is not an id that PortOne accepts")
