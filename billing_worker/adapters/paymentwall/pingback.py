"""The signature of a Paymentwall pingback (a GET with everything in its query string).

The rules are those of Paymentwall's documentation and its PHP library: `name=value` pairs glued together without a
separator, then the project's secret, hashed. It is a plain hash, not an HMAC, without time or nonce: only deduplication
on `ref` and `type` protects against replay, and a read of the gateway confirms every pingback.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from billing_worker.adapters.paymentwall.query import Parameter, array_order, parse
from billing_worker.domain.errors import InvalidInput, SignatureInvalid

_VERSIONS = {b"": 1, b"1": 1, b"2": 2, b"3": 3}
"""Absent or empty means 1. An issue once mentioned a version 4, but no document defines it: it is refused."""

_FIXED_GOODS = (b"uid", b"goodsid", b"slength", b"speriod", b"type", b"ref")
_FIXED_CART = (b"uid", b"goodsid", b"type", b"ref")
_FIXED_CURRENCY = (b"uid", b"currency", b"type", b"ref")
"""The parameters that version 1 signs, in this order; a missing one counts as empty."""

_TYPE = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Pingback:
    """A pingback that Paymentwall signed. Its meaning is in `type`; its identity is `ref` and `type` together."""

    uid: str
    goodsid: str | None
    """None for virtual currency, and for a cart, whose items are in `parameters` as goodsid[0], goodsid[1] …"""
    type: int
    ref: str
    is_test: bool
    parameters: dict[str, str] = field(repr=False)
    """All received parameters, without the signature."""


def verify(raw_query: bytes, secret: str, version: int = 3, *, also: str | None = None) -> Pingback:
    """The pingback in this query string, if `secret` (or `also`) signed it with exactly this version.

    It checks only the signature, as Paymentwall's libraries do; `accept` decides whether to trust the contents. Raises
    SignatureInvalid for a wrong, missing or differently made signature, InvalidInput for a query that is malformed or
    lacks uid, type, ref or the product.
    """
    return pingback_of(signed_parameters(raw_query, [secret] if also is None else [secret, also], version))


def signed_parameters(raw_query: bytes, secrets: Sequence[str], version: int) -> list[Parameter]:
    """The parameters that one of these secrets signed, in the order received.

    The version is pinned because the request names its own: a forger could drop `sign_version` and so choose version 1,
    which leaves most parameters unsigned. All secrets are tried, even after a match. Raises SignatureInvalid, or
    InvalidInput for a query that is malformed.
    """
    parameters = parse(raw_query)
    plain = {parameter.name: parameter.value for parameter in parameters if parameter.key is None}
    signature = plain.get(b"sig")
    if not all(secrets) or not signature:
        raise SignatureInvalid("the pingback has no signature, or there is no secret to check it with")
    signed = [parameter for parameter in parameters if parameter.name != b"sig"]
    genuine = False
    for secret in secrets:
        expected = _digest(signed, secret, version)
        genuine |= expected is not None and hmac.compare_digest(signature, expected.encode("ascii"))
    if not genuine:
        raise SignatureInvalid(f"the pingback's signature does not match version {version} with our secret")
    return signed


def _digest(signed: Sequence[Parameter], secret: str, version: int) -> str | None:
    """The signature that this pingback must have; None when it claims another version than the pinned one."""
    claimed = next((p.value for p in signed if p.name == b"sign_version"), b"")
    is_cart = any(p.name == b"goodsid" and p.key is not None for p in signed)
    if is_cart and version == 2 and claimed in (b"", b"1"):  # noqa: PLR2004 - a version is a number
        # A cart is never signed with version 1: five official libraries insert the 2 if it is missing.
        signed = [p for p in signed if p.name != b"sign_version"]
        signed.append(Parameter(b"sign_version", None, b"2"))
    elif _VERSIONS.get(claimed) != version:
        return None
    pairs = _fixed_pairs(signed, is_cart=is_cart) if version == 1 else [p.pair for p in sorted(signed, key=array_order)]
    base = b"".join(pairs) + secret.encode("utf-8")
    if version == 3:  # noqa: PLR2004
        return hashlib.sha256(base).hexdigest()
    return hashlib.md5(base, usedforsecurity=False).hexdigest()  # versions 1 and 2 use it; 3 is the default


def _fixed_pairs(signed: Sequence[Parameter], *, is_cart: bool) -> list[bytes]:
    names = {p.name for p in signed}
    fixed = _FIXED_CART if is_cart else _FIXED_GOODS if b"goodsid" in names else _FIXED_CURRENCY
    pairs: list[bytes] = []
    for name in fixed:
        pairs += [p.pair for p in signed if p.name == name] or [name + b"="]
    return pairs


def pingback_of(signed: Sequence[Parameter]) -> Pingback:
    """The pingback in these parameters.

    Raises InvalidInput if uid, type, ref or the product is missing or not a text.
    """
    try:
        parameters = {(p.pair[: -len(p.value) - 1]).decode(): p.value.decode() for p in signed}
    except UnicodeDecodeError as error:
        raise InvalidInput("query", "…", "is not UTF-8") from error
    if any("\x00" in name + value for name, value in parameters.items()):
        raise InvalidInput("query", "…", "holds a NUL character")
    for name in ("uid", "type", "ref"):
        if not parameters.get(name):
            raise InvalidInput(name, parameters.get(name), "is missing from the pingback")
    goodsid = parameters.get("goodsid")
    if not goodsid and not any(p.name == b"goodsid" and p.value for p in signed) and not parameters.get("currency"):
        raise InvalidInput("goodsid", goodsid, "is missing from the pingback")
    if not _TYPE.fullmatch(parameters["type"]):
        raise InvalidInput("type", parameters["type"], "is not a pingback type such as 0, 2 or 201")
    return Pingback(
        uid=parameters["uid"],
        goodsid=goodsid,
        type=int(parameters["type"]),
        ref=parameters["ref"],
        is_test=parameters.get("is_test") == "1",
        parameters=parameters,
    )
