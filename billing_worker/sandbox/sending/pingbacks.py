"""Paymentwall's classic pingback: its parameters and its three signatures (documented by Paymentwall)."""

import hashlib

V1_ORDER = ("uid", "goodsid", "slength", "speriod", "type", "ref")  # version 1 signs these and nothing else
TYPES = {
    0: "product purchased",
    1: "goodwill credit",
    2: "refund or chargeback",
    12: "subscription cancelled",
    13: "subscription expired",
    14: "subscription payment failed",
    200: "under risk review",
    201: "risk review: accepted",
    202: "risk review: declined",
    203: "authorization voided",
    220: "partial refund",
}
TAMPERINGS = ("value", "type", "signature", "upper", "unsigned", "version", "added", "moved")
LEGACY, MD5, SHA256 = 1, 2, 3


def signature(parameters: dict[str, str], secret: str, version: int) -> str:
    """Return `sig`: a digest of the glued parameters and the secret. It is not an HMAC, and has no delimiters."""
    if version == LEGACY:
        base = "".join(f"{name}={parameters.get(name, '')}" for name in V1_ORDER)
    else:
        names = sorted((name for name in parameters if name != "sig"), key=str.encode)
        base = "".join(f"{name}={parameters[name]}" for name in names)
    text = (base + secret).encode()
    if version == SHA256:
        return hashlib.sha256(text).hexdigest()
    return hashlib.md5(text).hexdigest()  # noqa: S324 - the outside scheme prescribes MD5


def pingback_query(parameters: dict[str, str], secret: str, version: int) -> dict[str, str]:
    """Return the whole query of a pingback: parameters, `sign_version` (absent in version 1) and `sig`."""
    query = dict(parameters)
    if version != LEGACY:
        query["sign_version"] = str(version)
    query["sig"] = signature(query, secret, version)
    return query


def tampered(query: dict[str, str], how: str) -> dict[str, str]:
    """Return a signed pingback as a forger without the secret changes it. ValueError for an unknown way."""
    changed, names = dict(query), sorted(query.keys() - {"sig"})
    match how:
        case "value":
            changed["uid"] += "x"
        case "type":
            changed["type"] = "0" if query["type"] != "0" else "2"
        case "signature":
            changed["sig"] = ("0" if query["sig"][0] != "0" else "1") + query["sig"][1:]
        case "upper":
            changed["sig"] = query["sig"].upper()
        case "unsigned":
            del changed["sig"]
        case "version":
            changed.pop("sign_version", None)
        case "added":
            changed["level"] = "1"
        case "moved":  # the signature still matches: the pair after goodsid becomes part of its value
            behind = names[names.index("goodsid") + 1]
            changed["goodsid"] += f"{behind}={changed.pop(behind)}"
        case _:
            raise ValueError(f"tamper is one of {', '.join(TAMPERINGS)}")
    return changed


def purchase(customer_uid: str, merchant_uid: str, ref: str, kind: int = 0) -> dict[str, str]:
    """Return the parameters for a one-time product: its subscription fields are present and empty.

    PortOne's values of uid and goodsid are unknown; the merchant's own ids are assumed.
    """
    return {
        "uid": customer_uid,
        "goodsid": merchant_uid,
        "slength": "",
        "speriod": "",
        "type": str(kind),
        "ref": ref,
    }
