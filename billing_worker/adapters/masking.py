"""Masking of texts from outside: card numbers, personal data and secrets are blanked out before storage.

Each is replaced by the same number of asterisks, so that cutting a masked text never reveals text after the cut.
"""

import re
from collections.abc import Collection
from functools import lru_cache

LONGEST_EVIDENCE = 4096
"""Bytes kept of an answer: a PortOne payment has about 1,500."""

LONGEST_LINE = 300
"""Characters of a gateway's message in a reason: an operator reads them at a glance."""

MOST_ESCAPES = 5000
"""Only an attacker escapes so many letters without need. Further escapes are not decoded."""

SHORTEST_SECRET = 4
"""A shorter secret is like ordinary text, and would blank out half of it."""

# Each pattern begins with its characters, and only then looks back: that halves the time of masking.
_CARD = re.compile(r"\d(?<!\d\d)(?:[\s./_\u2010-\u2015\u2212-]{0,2}\d){12,18}(?!\d)")
_USUAL = re.compile(r"\d(?:[ -]?\d)+")
_TELEPHONE = re.compile(r"[+0](?<![\w+][+0])(?:(?<=\+)82[ -]?)?\d{1,2}[ -]?\d{3,4}[ -]?\d{4}(?!\d)")
_EMAIL = re.compile(r"[\w.%+'-]{1,64}(?=@[\w.-])")
_BEARER = re.compile(r"(?i)(?<=bearer )[\x21\x23-\x7e]{4,512}")
_PERSONAL = re.compile(
    r'("(?:buyer_(?:name|tel|email|addr|postcode)|customer_(?:name|tel|email|addr|postcode)'
    r'|vbank_(?:num|holder)|access_token|imp_key|imp_secret)"\s*:\s*")((?:[^"\\]|\\.)*)'
)
# PostgreSQL's text contains neither NUL nor half a surrogate pair. They are replaced, not removed: two different texts
# must not become equal.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ASCII_ESCAPE = re.compile(rb"\\u00[2-7][0-9a-fA-F]")
# Escapes of characters that need none in JSON (all but quote and backslash): such a spelling could hide a number or a
# name.
_ESCAPED = re.compile(r"\\u(?:00(2[013-9a-f]|[346][0-9a-f]|5[0-9abdef]|7[0-9a-e]|a0)|ff1([0-9]))", re.IGNORECASE)
_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def masked(text: str, secrets: Collection[str] = (), *, addresses: bool = True) -> str:
    """The text without card numbers (their last four digits stay), telephone numbers, e-mail names and `secrets`.

    Without `addresses`, the text before an @ stays: for texts about hosts, not people.
    """
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "*" * len(secret))
    if "\\u" in text:
        text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)
    text = _PERSONAL.sub(lambda found: found[1] + "*" * len(found[2]), text)
    text = _BEARER.sub(lambda found: "*" * len(found[0]), text)
    text = _CARD.sub(_card_but_four, text)
    text = _TELEPHONE.sub(_all_but_four, text)
    if not addresses or "@" not in text:  # usual, and the search for text before an @ takes longer than all the rest
        return text
    return _EMAIL.sub(lambda found: "*" * len(found[0]), text)


def blanked(body: bytes, secrets: Collection[str]) -> bytes:
    """The bytes without `secrets`, in plain spelling or with JSON escapes."""
    escapes = body.count(b"\\u00") + body.count(b"\\/")
    if escapes > MOST_ESCAPES:
        body = _ASCII_ESCAPE.sub(b"??????", body)
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            body = body.replace(secret.encode("utf-8", "replace"), b"*" * len(secret))
            if 0 < escapes <= MOST_ESCAPES:
                body = _escaped(secret).sub(lambda found: b"*" * len(found[0]), body)
    return body


@lru_cache(maxsize=64)
def _escaped(secret: str) -> re.Pattern[bytes]:
    plain = [r"\\?/" if char == "/" else re.escape(char) for char in secret]
    spelt = (rf"(?:{one}|\\u(?i:{ord(char):04x}))" for one, char in zip(plain, secret, strict=True))
    return re.compile("".join(spelt).encode("utf-8", "replace"))


def storable(text: str) -> str:
    """The text as PostgreSQL can store it."""
    return _UNSTORABLE.sub("\ufffd", text)


def one_line(text: str, secrets: Collection[str] = ()) -> str:
    """A message from outside as part of a reason: masked, one line, not too long."""
    # Cut before masking, so that a megabyte of message is cheap. A number split by the first cut lies after the second
    # one.
    head = text[: 2 * LONGEST_LINE]
    return _CONTROL.sub(" ", storable(masked(head, secrets)))[:LONGEST_LINE].strip()


def evidence_text(body: bytes, secrets: Collection[str] = ()) -> str:
    """An answer's body as stored: masked, storable, at most LONGEST_EVIDENCE bytes of UTF-8."""
    text = storable(masked(body[: 2 * LONGEST_EVIDENCE].decode("utf-8", "replace"), secrets))
    return text.encode("utf-8")[:LONGEST_EVIDENCE].decode("utf-8", "ignore")


def _card_but_four(found: re.Match[str]) -> str:
    """Mask digits without separators, or with single spaces or dashes; with other separators, only if they add up."""
    number = found[0]
    return _all_but_four(found) if _USUAL.fullmatch(number) or _adds_up(number) else number


def _adds_up(number: str) -> bool:
    """Whether the digits have the check digit that card numbers have (Luhn)."""
    digits = [int(char) for char in reversed(number) if char.isdecimal()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _all_but_four(found: re.Match[str]) -> str:
    number = found[0]
    hidden = number[: len(number) - _tail(number)]
    return re.sub(r"\d", "*", hidden) + number[len(hidden) :]


def _tail(number: str) -> int:
    """The number of characters at the end with the last four digits."""
    digits = 0
    for length, char in enumerate(reversed(number), 1):
        digits += char.isdecimal()
        if digits == 4:  # noqa: PLR2004 - the last four digits
            return length
    return len(number)
