"""The identity of a request, kept with its answer. Nothing of a card is in it.

A digest of a card number is as good as the number: there are so few of them that all can be tried. A key for the digest
would have to be kept, changed and guarded like the number. So the card is left out: of a request with a card
only the named fields count, and in any other one a card number counts as asterisks.
"""

import hashlib
import json
import re

from starlette.types import Scope

from billing_worker.domain.card_numbers import holds_card_number, without_card_numbers

_BUYER = frozenset({"buyer_email", "buyer_name", "buyer_tel", "customer_uid", "pg_provider"})
COUNTED = {
    "/v1/billing-keys/issue": _BUYER
    | {"channel_key", "customer_id", "delete_replaced", "external_id", "metadata", "replaces"},
    "/v1/payments/by-card": _BUYER
    | {"amount", "at", "card_quota", "channel_key", "currency", "custom_data", "customer", "customer_id", "name"}
    | {"dunning_policy", "notice_url", "order_id", "retry_days", "tax_free", "vat_amount"},
}
"""The requests that have a card, with the fields of each that are no part of it."""

_DIGIT = re.compile(r"\\u(?:003|ff1)([0-9])", re.IGNORECASE)
"""A digit as JSON may spell it."""


def fingerprint(scope: Scope, body: bytes) -> str:
    """A digest of method, address and body."""
    counted = COUNTED.get(scope["path"].rstrip("/"))
    if counted is not None:
        body = _counted(body, counted)
    path = scope.get("raw_path") or scope["path"].encode()
    digest = hashlib.sha256()
    for part in (scope["method"].encode(), path, scope["query_string"], body):
        shown = _without_cards(part)
        digest.update(len(shown).to_bytes(8, "big") + shown)
    return digest.hexdigest()


def _counted(body: bytes, fields: frozenset[str]) -> bytes:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return b"not an object"  # it is refused, whatever it is
    counted = {name: value for name, value in found.items() if name in fields}
    return json.dumps(counted, sort_keys=True).encode("utf-8", "surrogatepass")


def _without_cards(part: bytes) -> bytes:
    """The part itself, unless it holds a card number."""
    text = part.decode("utf-8", "surrogateescape")
    plain = _DIGIT.sub(r"\1", text)
    if not holds_card_number(plain):
        return part
    return without_card_numbers(plain).encode("utf-8", "surrogateescape")
