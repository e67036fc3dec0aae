"""The requests of PortOne V1 that a recurring charge needs, as plain values. Field names and limits: V1 spec."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from urllib.parse import quote, urlencode

import simplejson

from billing_worker.adapters.masking import storable
from billing_worker.domain.billing_key import LONGEST_CUSTOMER_UID
from billing_worker.domain.call_kind import CallKind
from billing_worker.domain.card_entry import Card, IssueRequest
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.order_number import is_readable
from billing_worker.domain.payment import ChargeRequest
from billing_worker.domain.payment_options import PLAIN
from billing_worker.domain.pgs.facts import Rule
from billing_worker.domain.pgs.rules import require_id, require_money, require_options, require_product_type
from billing_worker.domain.pgs.table import following
from billing_worker.domain.refund import RefundRequest
from billing_worker.domain.schedule import ScheduleRequest

LONGEST_NAME = 40
"""Characters of a product name that PortOne accepts."""

PAGE_SIZE = 100
"""Payments per page of findAll; the spec allows 1,000, a body of 100 stays far below the size cap."""

WANTS_ADDRESS = following(Rule.BROWSER_IP)
"""PGs that take no charge without an address of the buyer."""

_MERCHANT_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")  # a longer one is silently truncated for some PGs (spec)
_IMP_UID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CUSTOMER_UID = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_CUSTOMER_UID}}}")


Fields = dict[str, str | int | Decimal]
"""The fields of a body."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, without its token."""

    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)
    kind: CallKind | None = None
    """As what it is timed; None for a charge, which is timed with its attempt."""

    @property
    def label(self) -> str:
        """The name of the call in evidence."""
        return f"{self.method} {self.path}"


def get_token(imp_key: str, imp_secret: str) -> Call:
    """Ask for an access token."""
    return Call("POST", "/users/getToken", _json({"imp_key": imp_key, "imp_secret": imp_secret}), CallKind.TOKEN)


def again(request: ChargeRequest, browser_ip: str, product_type: str | None = None) -> Call:
    """Charge a stored billing key.

    Raises InvalidInput for values that PortOne or the PG would refuse or silently change.
    """
    _refuse_bad("customer_uid", request.customer_uid, _CUSTOMER_UID)
    fields = _sale(request, browser_ip, product_type) | {"customer_uid": request.customer_uid}
    return Call("POST", "/subscribe/payments/again", _json(fields))


def onetime(request: ChargeRequest, card: Card, browser_ip: str, product_type: str | None = None) -> Call:
    """Charge card data once; with a customer_uid in the request, PortOne also stores them as a billing key.

    Raises InvalidInput as `again` does. The error never holds a part of the card.
    """
    fields = _sale(request, browser_ip, product_type) | {"pg": request.pg_provider} | card.reveal()
    if request.customer_uid:
        _refuse_bad("customer_uid", request.customer_uid, _CUSTOMER_UID)
        fields["customer_uid"] = request.customer_uid
    return Call("POST", "/subscribe/payments/onetime", _json(fields))


def issue(request: IssueRequest) -> Call:
    """Store card data as a billing key. Raises InvalidInput for a name that PortOne would refuse."""
    fields: Fields = {"pg": request.pg_provider, **request.card.reveal()}
    known = {
        "channel_key": request.channel_key,
        "customer_id": request.customer_id,
        "customer_name": request.buyer_name,
        "customer_email": request.buyer_email,
        "customer_tel": request.buyer_tel,
    }
    fields |= {name: storable(value) for name, value in known.items() if value is not None}
    return Call("POST", customer(request.customer_uid).path, _json(fields), CallKind.KEY)


def delete(customer_uid: str, reason: str, requester: str | None) -> Call:
    """Delete a billing key. Raises InvalidInput for an id that cannot be one."""
    asked = {"reason": storable(reason)} | ({"extra[requester]": storable(requester)} if requester else {})
    return Call("DELETE", f"{customer(customer_uid).path}?{urlencode(asked, quote_via=quote)}", kind=CallKind.KEY)


def cancel(request: RefundRequest) -> Call:
    """Give money back. Raises InvalidInput for values that PortOne would refuse or read as everything.

    PortOne takes a missing amount, or 0, for a full refund; `checksum` (the balance before) is its only guard against a
    second one. `enable_webhook` stays off, as by default: the answer and the reads show the result.
    """
    _refuse_bad("imp_uid", request.imp_uid, _IMP_UID)
    if request.money.currency != request.balance.currency or not 0 < request.money.amount <= request.balance.amount:
        raise InvalidInput("amount", str(request.money), f"must be positive and at most the balance {request.balance}")
    fields: Fields = {
        "imp_uid": request.imp_uid,
        "amount": request.money.major,
        "checksum": request.balance.major,
        "reason": storable(request.reason),
    }
    parts = {"tax_free": request.tax_free, "vat_amount": request.vat_amount}
    currency = request.money.currency
    fields |= {name: Money(part, currency).major for name, part in parts.items() if part is not None}
    return Call("POST", "/payments/cancel", _json(fields), CallKind.REFUND)


def schedule(request: ScheduleRequest, browser_ip: str, product_type: str | None = None) -> Call:
    """Register a charge of a stored billing key, with the fields of `again` and its time. Raises InvalidInput as it."""
    charge = request.charge
    _refuse_bad("customer_uid", charge.customer_uid, _CUSTOMER_UID)
    item = _sale(charge, browser_ip, product_type) | {"schedule_at": seconds_of(request)}
    fields = {"customer_uid": charge.customer_uid, "schedules": [item]}
    return Call("POST", "/subscribe/payments/schedule", _json(fields), CallKind.SCHEDULE)


def seconds_of(request: ScheduleRequest) -> int:
    """The time of a schedule in unix seconds. A time between two is the later one: no charge comes too early."""
    return ceil(request.at.timestamp())


def unschedule(customer_uid: str, merchant_uid: str) -> Call:
    """Revoke one schedule. Raises InvalidInput for an id that cannot be one.

    PortOne revokes all schedules of a key if no order number is given: both names always are.
    """
    _refuse_bad("customer_uid", customer_uid, _CUSTOMER_UID)
    _refuse_unreadable(merchant_uid)
    fields = {"customer_uid": customer_uid, "merchant_uid": [merchant_uid]}
    return Call("POST", "/subscribe/payments/unschedule", _json(fields), CallKind.SCHEDULE)


def scheduled(merchant_uid: str) -> Call:
    """Read one schedule. Raises InvalidInput for an id that cannot be one."""
    _refuse_unreadable(merchant_uid)
    path = f"/subscribe/payments/schedule/{quote(merchant_uid, safe='')}"
    return Call("GET", path, kind=CallKind.SCHEDULE_READ)


def schedules_of_key(customer_uid: str, start: int, end: int, page: int) -> Call:
    """Read one page of a key's schedules whose time lies between two unix times, the first included (V1 spec)."""
    path = f"{customer(customer_uid).path}/schedules?from={start}&to={end}&page={page}"
    return Call("GET", path, kind=CallKind.LIST)


def schedules_between(start: int, end: int, page: int, size: int) -> Call:
    """Read one page of all schedules whose time lies between two unix times, the first included (V1 spec)."""
    span = f"schedule_from={start}&schedule_to={end}"
    return Call("GET", f"/subscribe/payments/schedule?{span}&limit={size}&page={page}", kind=CallKind.LIST)


def payment(imp_uid: str, *, include_sandbox: bool) -> Call:
    """Read one payment. Raises InvalidInput for an id that cannot be one."""
    _refuse_bad("imp_uid", imp_uid, _IMP_UID)
    sandbox = "?include_sandbox=true" if include_sandbox else ""
    return Call("GET", f"/payments/{quote(imp_uid, safe='')}{sandbox}", kind=CallKind.READ)


def payments_of(merchant_uid: str, page: int, *, include_sandbox: bool) -> Call:
    """Read one page of the payments under a merchant_uid. Raises InvalidInput for an id that cannot be one."""
    _refuse_unreadable(merchant_uid)
    # include_sandbox is documented for /payments/{imp_uid} only; unknown parameters are ignored by this API.
    sandbox = "&include_sandbox=true" if include_sandbox else ""
    path = f"/payments/findAll/{quote(merchant_uid, safe='')}?limit={PAGE_SIZE}&page={page}{sandbox}"
    return Call("GET", path, kind=CallKind.READ)


def payments_of_key(customer_uid: str, page: int, *, include_sandbox: bool) -> Call:
    """Read one page (20, by the spec) of the payments of a billing key. Raises InvalidInput."""
    whose = customer(customer_uid)
    # include_sandbox as above: not documented here, and harmless.
    sandbox = "&include_sandbox=true" if include_sandbox else ""
    return Call("GET", f"{whose.path}/payments?page={page}{sandbox}", kind=CallKind.READ)


def payments_between(start: int, end: int, page: int, size: int, *, include_sandbox: bool) -> Call:
    """Read one page of all payments whose latest change lies between two unix times, both included (V1 spec)."""
    # include_sandbox as above: not documented here, and harmless.
    sandbox = "&include_sandbox=true" if include_sandbox else ""
    path = f"/payments/status/all?from={start}&to={end}&limit={size}&page={page}{sandbox}"
    return Call("GET", path, kind=CallKind.LIST)


def customer(customer_uid: str) -> Call:
    """Read a billing key. Raises InvalidInput for an id that cannot be one."""
    _refuse_bad("customer_uid", customer_uid, _CUSTOMER_UID)
    if set(customer_uid) == {"."}:
        raise InvalidInput("customer_uid", customer_uid, "would become a folder of the path")
    return Call("GET", f"/subscribe/customers/{quote(customer_uid, safe='')}", kind=CallKind.KEY_READ)


def _sale(request: ChargeRequest, browser_ip: str, product_type: str | None) -> Fields:
    """The fields of any charge. Raises InvalidInput."""
    _refuse_bad("merchant_uid", request.merchant_uid, _MERCHANT_UID)
    amount = request.money.major
    if amount <= 0:
        raise InvalidInput("amount", str(amount), "must be positive")
    require_id(request.pg_provider, request.merchant_uid)
    require_money(request.pg_provider, request.money)
    product_type = require_product_type(request.pg_provider, product_type)
    fields: Fields = {
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
    return fields | _options(request)


def _options(request: ChargeRequest) -> Fields:
    """The optional fields that were given. Sums are major units, as the amount is."""
    options, currency = request.options, request.money.currency
    if options is PLAIN:
        return {}
    require_options(request.pg_provider, options, request.money)
    given: dict[str, str | int | Decimal | None] = {
        "tax_free": _major(options.tax_free, currency),
        "vat_amount": _major(options.vat_amount, currency),
        "card_quota": options.card_quota,
        "custom_data": None if options.custom_data is None else storable(options.custom_data),
        "notice_url": options.notice_url,
    }
    return {name: value for name, value in given.items() if value is not None}


def _major(amount: int | None, currency: str) -> Decimal | None:
    return None if amount is None else Money(amount, currency).major


def _json(fields: Mapping[str, object]) -> bytes:
    return simplejson.dumps(fields, use_decimal=True, separators=(",", ":")).encode("ascii")


def _refuse_unreadable(merchant_uid: str) -> None:
    """Another program may have given the number: it is read and revoked, and never charged."""
    if not is_readable(merchant_uid):
        raise InvalidInput("merchant_uid", merchant_uid[:60], "is no order number that PortOne can be asked about")


def _refuse_bad(field: str, value: str, grammar: re.Pattern[str]) -> None:
    if not grammar.fullmatch(value):
        raise InvalidInput(field, f"{len(value)} characters", "is not an id that PortOne accepts")
