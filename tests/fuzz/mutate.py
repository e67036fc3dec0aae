"""Changes real answers: their bytes, their structure, and now and then everything at once. Seeded."""

import copy
import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from billing_worker.sandbox import texts
from tests.fuzz.check import CANARIES, SECRETS
from tests.fuzz.corpus import Recorded

STATUSES = (200, 200, 200, 201, 204, 207, 301, 307, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504, 599)
WORDS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 9900, "9900", "0", "-0", "00", "1e3", "9,900", " 9900", "9900.0", 9900.0, 99.5, 1e308,
    10**15, 10**400, -(10**30), "", " ", "\x00", "\ud800", "\u2028", "paid", "failed", "cancelled", "ready", "settling",
    "PAID", "KRW", "krw", "USD", "JPY", "BHD", "fuzzorder", "fuzzcard", "fuzzorder ", "../users/getToken", "a" * 600,
    "scheduled", "executed", "revoked", 4102444800, [], {}, [[]], {"list": []}, {"list": None}, [None],
    *(value for name, value in vars(texts).items() if name.isupper() and isinstance(value, str)),
)  # fmt: skip
FIELDS = (
    "code", "message", "response", "status", "amount", "cancel_amount", "currency", "imp_uid", "merchant_uid",
    "customer_uid", "fail_reason", "started_at", "paid_at", "list", "next", "total", "pg_provider", "access_token",
    "now", "expired_at", "something_new", "schedule_at", "schedule_status", "revoked_at",
)  # fmt: skip
TOKENS = (
    b"NaN", b"-Infinity", b"1e999999999", b"1e-999999999", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"\xef\xbb\xbf",
    b"\x00", b"\xff\xfe", b'"code":0,', b'"status":"paid",', b'"amount":9900,', b'"merchant_uid":"fuzzorder",', b"}{",
    b"\\u0000", b"\\ud83d", b"\\", b'"', b",", b"null", b"<html>", b"/*", b"'", b"-", b"0", b"\r\n\r\n",
)  # fmt: skip
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig", "euc-kr", "latin-1")
MEGABYTE = 1_000_000
BIG: tuple[Callable[[], bytes], ...] = (
    lambda: b'{"code":0,"response":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    lambda: b'{"code":0,"response":' + b'{"a":' * 150_000,
    lambda: b'{"code":0,"message":"' + b"4242 " * 200_000 + b'"}',
    lambda: b'{"code":1,"message":"' + b"0-1-2-3-" * 120_000 + b'"}',
    lambda: b'{"code":1,"message":"' + b"a@" * 500_000 + b'"}',
    lambda: b'{"code":1,"message":"' + b"bearer " * 140_000 + b'"}',
    lambda: b'{"code":1,"message":"' + b'\\"buyer_name\\":' * 60_000 + b'"}',
    lambda: b'{"code":0,"response":' + b"9" * MEGABYTE + b"}",
    lambda: b'{"code":0,"response":{' + b",".join(b'"k%d":1' % n for n in range(80_000)) + b"}}",
    lambda: b'{"code":0,"response":[' + b",".join([b'{"imp_uid":"a"}'] * 60_000) + b"]}",
    lambda: b'{"code":0,"message":"' + b"\\u0031" * 160_000 + b'"}',
    lambda: b" " * MEGABYTE,
    lambda: b"\xff" * MEGABYTE,
    lambda: b'{"code":0,"response":[' + b",".join([_TINY] * 7_000) + b"]}",
)  # fmt: skip
"""As much as the client reads at most, in shapes that make a careless reader slow."""
_TINY = (
    b'{"imp_uid":"a","merchant_uid":"fuzzorder","amount":1,"currency":"KRW","status":"paid","customer_uid":"fuzzcard"}'
)

BIG_SHARE = 1 / 4000


def answer(rng: random.Random, corpus: Sequence[Recorded]) -> Recorded:
    """One hostile answer."""
    status, body = rng.choice(corpus)
    if rng.random() < 0.2:
        status = rng.choice(STATUSES)
    if rng.random() < BIG_SHARE:
        return status, rng.choice(BIG)()
    kind = rng.random()
    if kind < 0.55:
        body = _restructured(rng, body, rng.choice(corpus)[1])
    if kind > 0.4:
        raw = bytearray(body)
        for _ in range(rng.randint(1, 4)):
            _change_bytes(rng, raw, corpus)
        body = bytes(raw)
    return status, _with_canary(rng, body) if rng.random() < 0.25 else body


def _restructured(rng: random.Random, body: bytes, other: bytes) -> bytes:
    try:
        document, stranger = json.loads(body), json.loads(other)
    except ValueError:
        return body
    for _ in range(rng.randint(1, 3)):
        _change_document(rng, document, stranger)
    spaced = (None, (",", ":"), (" , ", " :\t"))[rng.randrange(3)]
    text = json.dumps(document, ensure_ascii=rng.random() < 0.3, separators=spaced)
    if rng.random() < 0.05:
        text = text.replace('"status":', f'"status": {json.dumps(rng.choice(("paid", "failed")))}, "status":', 1)
    return text.encode(rng.choice(ENCODINGS), "replace")


def _change_document(rng: random.Random, document: Any, stranger: Any) -> None:
    place = _some_container(rng, document)
    value = copy.deepcopy(rng.choice(WORDS) if rng.random() < 0.8 else _some_container(rng, stranger))
    if isinstance(place, list):
        if place and rng.random() < 0.5:
            place[rng.randrange(len(place))] = value
        else:
            place.insert(0, value)
    elif isinstance(place, dict):
        name = rng.choice(FIELDS) if rng.random() < 0.8 or not place else rng.choice(list(place))
        if rng.random() < 0.2:
            place.pop(name, None)
        else:
            place[name] = value


def _some_container(rng: random.Random, document: Any) -> Any:
    """The document, its response, or something in there."""
    place = document
    while rng.random() < 0.7:
        if isinstance(place, dict):
            inner = [value for value in place.values() if isinstance(value, dict | list)]
        elif isinstance(place, list):
            inner = [value for value in place if isinstance(value, dict | list)]
        else:
            break
        if not inner:
            break
        place = rng.choice(inner)
    return place


def _change_bytes(rng: random.Random, raw: bytearray, corpus: Sequence[Recorded]) -> None:
    at, length = rng.randint(0, len(raw)), rng.randint(1, 12)
    match rng.randrange(7):
        case 0:
            raw[at : at + 1] = bytes([rng.randrange(256)])
        case 1:
            del raw[at : at + length]
        case 2:
            raw[at:at] = rng.choice(TOKENS)
        case 3:
            raw[at : at + length] = rng.choice(TOKENS)
        case 4:
            del raw[at:]
        case 5:
            raw[at:at] = raw[at : at + length * 8]
        case _:
            other = rng.choice(corpus)[1]
            start = rng.randint(0, len(other))
            raw[at:at] = other[start : start + length * 8]


def _with_canary(rng: random.Random, body: bytes) -> bytes:
    """What must not be kept, put where a text begins, or anywhere; our secrets in a disguise that JSON allows."""
    canary = rng.choice(CANARIES)
    if canary in SECRETS and rng.random() < 0.5:
        canary = "".join(f"\\u{ord(char):04x}" if rng.random() < 0.3 else char for char in canary)
    told = f"|{canary}|".encode()
    quotes = [found.start() for found in re.finditer(b'"', body[:5000])] if rng.random() < 0.7 else []
    at = rng.choice(quotes) + 1 if quotes else rng.randint(0, len(body))
    return body[:at] + told + body[at:]
