"""Bodies that claim to be PortOne webhooks, and what must hold for any of them."""

import json
import random
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urljoin, urlsplit

from billing_worker.adapters.portone import requests
from billing_worker.domain.errors import InvalidInput
from billing_worker.web.errors import Refused
from billing_worker.web.hints import Hint, hint_in

LARGEST = 8192
"""What the receiver takes in at most."""
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
TYPES = (JSON, FORM)
ODD_TYPES = (
    "application/json; charset=utf-8", "Application/JSON", "application/json;=;\\", "text/json", "", ";", "a/b/c",
    "multipart/form-data; boundary=x", f"{JSON}, {FORM}", "\x7f", "=?utf-8?q?=00?=", '"',
    "application/json; a*=b''%ff",
)  # fmt: skip
GOOD = {
    "imp_uid": ("imp_123456789012", "imps_000000000001", "imp_1", "A-_9"),
    "merchant_uid": ("order-1", "t1a2b3c4subscription00p00001g01", "주문".encode().hex(), "a.b", "a%2Fb", "..a"),
    "status": ("paid", "failed", "ready", "cancelled"),
    "cancellation_id": ("", "cancel_1", "c-1"),
}
BAD: tuple[Any, ...] = (
    "../users/getToken", "..", ".", "%2e%2e", "%2e%2e/users", "imp_1?x=1", "imp_1#", "imp_1/../x", "imp_1\\..\\x",
    "imp_1\n", "imp_1\x00", "\ud800", "\udfff\ud800",
    "\ufeffimp_1", "imp_\u0661\u0662\u0663", "\uff49\uff4d\uff50_1", "imp_1\u2028",
    "paid\r\nX: y", "PAID", "a" * 65, "a" * 5000, "", " ", " imp_1", None, True, 0, -1, 1e308, 10**400, [], {},
    ["imp_1"], {"imp_uid": "imp_1"}, [[[[]]]],
)  # fmt: skip
NAMES = (
    *GOOD,
    *GOOD,
    *GOOD,
    "imp_uid[]",
    "imp_uid[0]",
    "Imp_uid",
    "imp_uid ",
    "__proto__",
    "imp_uid\x00",
    "amount",
    "",
)
TOKENS = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000, b"[" * 4000, b'{"a":' * 1500, b"\xef\xbb\xbf",
    b"\xff\xfe", b"\x00", b"\xc0\xae", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\ud800", b"\\u0000", b"\\", b'"',
    b"}{", b",", b"null", b"%", b"%2", b"%zz", b"%00", b"%ff", b"%2e%2e%2f", b"%u0041", b"+", b"&", b"&&", b";", b"=",
    b"==", b"&imp_uid=x", b'"imp_uid":"x",', b"[]", b"\r\n", b"a=1&" * 40, b"/*", b"'",
)  # fmt: skip


def made(rng: random.Random) -> tuple[str, bytes]:
    """A content type and a body."""
    kind = rng.choice(TYPES) if rng.random() < 0.9 else rng.choice(ODD_TYPES)
    pairs = _pairs(rng)
    as_form = kind == FORM if rng.random() < 0.95 else rng.random() < 0.5
    raw = bytearray(_form(rng, pairs) if as_form else _json(rng, pairs))
    while rng.random() < 0.35:
        at, length = rng.randint(0, len(raw)), rng.randint(0, 12)
        raw[at : at + length] = rng.choice((rng.choice(TOKENS), rng.randbytes(length), raw[at : at + length] * 2, b""))
    return kind, bytes(raw[:LARGEST])


def seconds_for(content_type: str, body: bytes) -> float:
    """Examine one body; the processor time that reading it took. Raises what a receiver must not do."""
    began = time.thread_time()
    found = _hint_or_refusal(content_type, body)
    took = time.thread_time() - began
    if isinstance(found, Hint):
        _judge(found, body, is_json=content_type.lower().startswith(JSON))
    else:
        assert found.status in (400, 415), found.status
        assert found.message.isprintable()
        assert found.field in (None, *GOOD)
    return took


def _hint_or_refusal(content_type: str, body: bytes) -> Hint | Refused:
    try:
        return hint_in(content_type, body)
    except Refused as refused:
        return refused


GRAMMAR = {
    "imp_uid": "[a-zA-Z0-9_-]{1,64}",
    "merchant_uid": "[!-.0-~]{1,64}",
    "status": "[a-z_]{1,20}",
    "cancellation_id": "[a-zA-Z0-9_-]{1,64}",
}


def _judge(hint: Hint, body: bytes, *, is_json: bool) -> None:
    fields = hint.fields
    assert {"imp_uid", "merchant_uid"} <= set(fields) <= set(GRAMMAR)
    for name, value in fields.items():
        assert type(value) is str
        assert re.fullmatch(GRAMMAR[name], value, re.ASCII), (name, value)
    assert fields["merchant_uid"] not in (".", "..")
    sent = _pairs_of_json(body) if is_json else _pairs_of_form(body)
    for name in GRAMMAR:
        values = [value for sent_name, value in sent if sent_name == name]
        assert len(values) <= 1, f"{name} is given twice"
        assert fields.get(name) == (values[0] if values and values[0] not in (None, "") else None)
    imp_uid, status, cancellation, merchant_uid = hint.dedupe_key.split("|", 3)
    assert (imp_uid, status, merchant_uid) == (fields["imp_uid"], fields.get("status", ""), fields["merchant_uid"])
    assert cancellation == fields.get("cancellation_id", "")
    _judge_paths(fields["imp_uid"], fields["merchant_uid"])


def _judge_paths(imp_uid: str, merchant_uid: str) -> None:
    """What a worker asks the gateway for because of it."""
    asked = requests.payment(imp_uid, include_sandbox=False).path
    assert urlsplit(urljoin("https://x", asked)).path == f"/payments/{imp_uid}"
    with suppress(InvalidInput):
        asked = requests.payments_of(merchant_uid, 1, include_sandbox=False).path
        assert unquote(urlsplit(urljoin("https://x", asked)).path) == f"/payments/findAll/{merchant_uid}"


def _pairs(rng: random.Random) -> list[tuple[str, Any]]:
    names = list(GOOD) if rng.random() < 0.8 else rng.choices(NAMES, k=rng.randint(0, 6))
    if rng.random() < 0.2:
        rng.shuffle(names)
    if rng.random() < 0.1:
        names.append(rng.choice(NAMES))
    bad = 0.25 if rng.random() < 0.4 else 0.0
    return [(n, rng.choice(BAD) if n not in GOOD or rng.random() < bad else rng.choice(GOOD[n])) for n in names]


def _json(rng: random.Random, pairs: Sequence[tuple[str, Any]]) -> bytes:
    plain = rng.random() < 0.5
    parts = [f"{json.dumps(n)}: {json.dumps(v, ensure_ascii=plain)}" for n, v in pairs]
    text = rng.choice(("{%s}", " { %s } ", "{%s}", "[%s]", '{"data": {%s}}', "{%s}\n")) % ", ".join(parts)
    encoding = "utf-8" if rng.random() < 0.95 else rng.choice(("utf-16", "utf-8-sig", "euc-kr", "utf-7"))
    return text.encode(encoding, "surrogatepass" if encoding == "utf-8" else "replace")


def _form(rng: random.Random, pairs: Sequence[tuple[str, Any]]) -> bytes:
    escapes = rng.choice((0.0, 0.1, 1.0))

    def spelt(text: str) -> bytes:
        raw = text.encode("utf-8", "surrogatepass")
        return b"".join(b"%%%02x" % byte if rng.random() < escapes else bytes([byte]) for byte in raw[:300])

    return b"&".join(spelt(name) + b"=" + spelt(str(value)) for name, value in pairs)


def _pairs_of_json(body: bytes) -> list[tuple[str, Any]]:
    keep: Callable[[Any], Any] = list
    found = json.loads(body, object_pairs_hook=keep)
    assert body[:3] != b"\xef\xbb\xbf"
    return [(name, value) for name, value in found]


def _pairs_of_form(body: bytes) -> list[tuple[str, str]]:
    pairs = [piece.partition(b"=")[::2] for piece in body.split(b"&") if piece]
    return [(_plain(name), _plain(value)) for name, value in pairs]


def _plain(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode()
