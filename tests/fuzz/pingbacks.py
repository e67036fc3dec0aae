"""Query strings that claim to be Paymentwall's pingbacks, and what must hold for any of them.

Who signs here is the fuzzer itself, by the rule that Paymentwall documents, read a second time from nothing.
"""

import hashlib
import random
import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from billing_worker import bootstrap
from billing_worker.config import Settings
from billing_worker.domain.errors import InvalidInput, SignatureInvalid

SECRET = "a secret of the fuzzer"
LARGEST = 16_384
"""What the server takes in at most as a request line."""

Pairs = list[tuple[bytes, bytes]]
SHAPES: tuple[Pairs, ...] = tuple(
    [tuple(pair.split(b"=", 1)) for pair in shape.split(b"&")]  # type: ignore[misc]
    for shape in (
        b"uid=user-1&goodsid=gold&slength=1&speriod=month&type=0&ref=b1001&is_test=1&sign_version=3",
        b"uid=user-1&goodsid=gold&slength=-1&speriod=month&type=2&ref=b1001&reason=9&sign_version=3",
        b"uid=user-1&goodsid=gold&slength=&speriod=&type=0&ref=b1001&sign_version=3",
        b"uid=user-1&currency=120&type=1&ref=c77&sign_version=3",
        b"uid=user-1&goodsid[0]=hat&goodsid[1]=coat&type=0&ref=d5&sign_version=3",
        b"uid=user-1&goodsid[10]=a&goodsid[9]=b&goodsid[2]=c&type=0&ref=d6&sign_version=3",
        b"uid=user-1&goodsid=gold&type=200&ref=b9&sign_version=3",
        b"uid=user-1&goodsid=gold&type=201&ref=b9&sign_version=3",
        b"uid=user-1&goodsid=gold&type=202&ref=b9&sign_version=3",
        b"uid=user-1&goodsid=gold&type=12&ref=b9&initial_ref=b1&sign_version=3",
        b"uid=user-1&goodsid=gold&type=220&ref=b9&amount=1.5&reason=10&sign_version=3",
        "uid=홍길동&goodsid=한 글&type=0&ref=b8&sign_version=3".encode(),
    )
)
"""As the documented pingbacks look: goods, a reversal, blanks, virtual currency, carts, reviews, parts."""
ODD = (
    b"", b" ", b"\x00", b"\xff", b"\xc0\xae", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"%", b"=", b"&", b"+", b"0", b"00",
    b"-1", b"1e3", b"\xd9\xa1", b"\xef\xbc\x92", b"9" * 5000, b"\r\nX: y", b"../users/getToken", b"..", b"[0]", b"a[b]",
    b"user-1goodsid=gold", b"4", b"1", b"2", b"abc", b"3 ", b"03", b"\xcc\x81", b"a" * 300, b"4242424242424242",
)  # fmt: skip
NAMES = (
    b"uid", b"goodsid", b"type", b"ref", b"sign_version", b"is_test", b"sig", b"uid[]", b"goodsid[0]", b"goodsid[x]",
    b"goodsid[[0]]", b"0", b"", b"a.b", b"a b", b"Uid", b"uid ", b"uid\x00", b"\xff", b"currency", b"extra",
)  # fmt: skip
TOKENS = (
    b"%", b"%2", b"%zz", b"%00", b"%2e%2e%2f", b"%u0041", b"+", b"&", b"&&", b";", b"=", b"==", b"\x00", b"\xff",
    b"[", b"]", b"[]", b"&uid=x", b"&sig=", b"&sign_version=1", b"&type=2", b"#", b"?", b"\\", b"a&" * 120,
)  # fmt: skip

OWN = "initial_ref,amount,extra"
"""What a merchant named in the settings; carts are never taken."""

verify: Any = bootstrap.verify_pingback(
    Settings(paymentwall_secret_key=SECRET, paymentwall_parameters=OWN, _env_file=None)  # type: ignore[arg-type] # text
)


def made(rng: random.Random) -> tuple[bytes]:
    """A query string."""
    pairs = list(rng.choice(SHAPES))
    if rng.random() < 0.5:
        _change(rng, pairs)
    version = 3 if rng.random() < 0.85 else rng.choice((1, 2))
    signature = _signature(pairs, version)
    if rng.random() < 0.2:
        _change(rng, pairs)
    if rng.random() < 0.1:
        signature = rng.choice((signature.upper(), signature[:-1], b"", signature + b" ", b"0" * 64, b"\xd9\xa1" * 64))
    if rng.random() < 0.97:
        pairs.insert(rng.randint(0, len(pairs)), (b"sig", signature))
    escapes = rng.choice((0.0, 0.2, 1.0))
    raw = bytearray(b"&".join(_spelt(rng, n, escapes) + b"=" + _spelt(rng, v, escapes) for n, v in pairs))
    while rng.random() < 0.2:
        at, length = rng.randint(0, len(raw)), rng.randint(0, 12)
        raw[at : at + length] = rng.choice((rng.choice(TOKENS), rng.randbytes(length), raw[at : at + length] * 2, b""))
    return (bytes(raw[:LARGEST]),)


def seconds_for(raw: bytes) -> float:
    """Examine one query; the processor time that reading it took. Raises what a receiver must not do."""
    began = time.thread_time()
    found = _pingback_or_refusal(raw)
    took = time.thread_time() - began
    if isinstance(found, Exception):
        assert SECRET not in str(found)
        assert str(found).isprintable(), "a message holds what the sender sent"
    else:
        _judge(found, raw)
    return took


def _pingback_or_refusal(raw: bytes) -> Any:
    try:
        return verify(raw)
    except (SignatureInvalid, InvalidInput) as refused:
        return refused


def _judge(pingback: Any, raw: bytes) -> None:
    pairs = [(_plain(name), _plain(value)) for name, _, value in (piece.partition(b"=") for piece in raw.split(b"&"))]
    assert len({name for name, _ in pairs}) == len(pairs), "a parameter is given twice"
    sent = dict(pairs)
    signature = sent.pop(b"sig")
    assert sent.get(b"sign_version") == b"3", "another version than the pinned one"
    assert signature == _signature(list(sent.items()), 3), "the signature is not right"
    assert (pingback.uid.encode(), pingback.ref.encode()) == (sent[b"uid"], sent[b"ref"])
    assert pingback.uid
    assert pingback.ref
    assert re.fullmatch(rb"[0-9]{1,4}", sent[b"type"])
    assert pingback.type == int(sent[b"type"])
    assert pingback.is_test is (sent.get(b"is_test") == b"1")
    assert not any("\x00" in name + value for name, value in pingback.parameters.items())


def _change(rng: random.Random, pairs: Pairs) -> None:
    at = rng.randrange(len(pairs))
    name, value = pairs[at]
    match rng.randrange(6):
        case 0:
            pairs[at] = (name, rng.choice(ODD))
        case 1:
            pairs[at] = (rng.choice(NAMES), value)
        case 2:
            del pairs[at]
        case 3:
            pairs.insert(at, (rng.choice(NAMES), rng.choice(ODD)))
        case 4:
            pairs[at] = (name, value + rng.choice(ODD))
        case _:
            pairs.insert(rng.randint(0, len(pairs)), rng.choice(pairs))
    if not pairs:
        pairs.append((b"uid", b"u"))


def _signature(pairs: Sequence[tuple[bytes, bytes]], version: int) -> bytes:
    """By the documented rule: sorted by name (inside a cart by number), glued, the secret behind."""
    if version == 1:
        kept = dict(pairs)
        base = b"".join(
            b"%s=%s" % (n, kept.get(n, b"")) for n in (b"uid", b"goodsid", b"slength", b"speriod", b"type", b"ref")
        )
    else:
        base = b"".join(name + b"=" + value for name, value in sorted(pairs, key=_place))
    made = base + SECRET.encode()
    return (hashlib.sha256(made) if version == 3 else hashlib.md5(made, usedforsecurity=False)).hexdigest().encode()


def _place(pair: tuple[bytes, bytes]) -> tuple[bytes, int, bytes]:
    element = re.fullmatch(rb"([^\[\]]+)\[([^\[\]]+)\]", pair[0])
    if element is None:
        return pair[0], 0, b""
    is_number = re.fullmatch(rb"0|[1-9][0-9]{0,3}", element[2])
    return element[1], int(element[2]) if is_number else 0, element[2]


def _spelt(rng: random.Random, text: bytes, escapes: float) -> bytes:
    return b"".join(
        b"+" if byte == 32 and rng.random() < 0.5  # a space
        else b"%%%02X" % byte if byte in b"%&+= #\x00" or byte > 126 or (escapes and rng.random() < escapes)
        else bytes([byte])
        for byte in text
    )  # fmt: skip


def _plain(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
