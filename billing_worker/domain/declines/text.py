"""The forms in which a PG's code and words reach us: PortOne forwards them as one text, each PG in its own form.

    [CC43]도난카드                                          most PGs
    카드정보 인증 및 빌키 발급에 실패하였습니다. [F113]거래거절 카드번호틀림    PortOne's own words before them
    [400]Error From NICEPAY. (message: 비밀번호틀림, code:F113)   nice_v2: the bracket holds an HTTP status
    한도초과                                               no code at all

Source: PortOne's answers as public clients show them, and PortOne's own page about the codes of PGs.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from unicodedata import is_normalized, normalize

LONGEST = 600
"""Characters that are read of a text: a PG's own text has at most 200."""

LONGEST_NUMBER = 6
"""Digits of a code that is a number. A longer number may be a customer's."""

_USUAL = re.compile(r"\[(-?[A-Za-z0-9_]{1,48})\]([^\[(<]+)$", re.DOTALL)
_BRACKET = re.compile(r"([\[(<])\s*(-?[A-Za-z0-9_]{1,48})\s*[\])>]")
_NAMED = re.compile(r"code[\"']?\s*[:=]\s*[\"']?(-?[A-Za-z0-9_]{1,48})", re.IGNORECASE)
_MESSAGE = re.compile(r"message[\"']?\s*[:=]\s*[\"']?(.+?)[\"']?\s*(?:,[\s\"']*\w*code|[)}]*$)", re.IGNORECASE)
_BARE = re.compile(r"\s*(-?[A-Za-z0-9_]{1,48})(?:\s*$|\s*[:|]|\s+(?=[^\W\d_]|-))")
_PREFIX = re.compile(r"\s*카드정보 ?인증(?: ?및 ?빌키 ?발급)?에 ?실패하였습니다\.?")

_CODE_PAGES = (("latin-1", "cp949"), ("latin-1", "utf-8"), ("cp1252", "utf-8"), ("utf-8", "cp949"), ("cp949", "utf-8"))
"""As which the bytes were read, and what they were."""


_NO_CODES: Sequence[str] = ()


class Parts(NamedTuple):
    """A text, taken apart."""

    codes: Sequence[str]
    """What may be the PG's code, the likeliest first."""
    words: str
    """The message, without code and PortOne's own words."""


def take_apart(text: str) -> Parts:
    """The codes and the words of a text in any of the forms."""
    if not is_normalized("NFKC", text):
        text = normalize("NFKC", text)
    usual = _USUAL.match(text)
    if usual is not None and "ode" not in text:
        code, words = usual.groups()
        return Parts(_NO_CODES if _may_be_a_customers(code) else (code,), words)
    words = _PREFIX.sub("", text) if "실패하였습니다" in text else text
    codes: list[str] = []
    if "ode" in text or "ODE" in text:
        codes = _NAMED.findall(text)
        message = _MESSAGE.search(text) if codes else None
        words = message[1] if message else words
    if "[" in text or "(" in text or "<" in text:
        codes += [code for opened, code in _BRACKET.findall(text) if opened == "[" or _is_like_a_code(code)]
        words = _BRACKET.sub(" ", words) if codes else words
    if not codes:
        bare = _BARE.match(text)
        if bare and _is_like_a_code(bare[1], alone=bare.end() == len(text)):
            codes, words = [bare[1]], text[bare.end() :]
    return Parts([code for code in codes if not _may_be_a_customers(code)] if codes else codes, words)


def plain(words: str) -> str:
    """The words as the rules read them: lower case, without spaces and underscores."""
    return "".join(words.split()).replace("_", "").lower()


def repaired(text: str) -> Iterator[str]:
    """What a text may have been before its bytes were read with the wrong code page."""
    for wrong, right in _CODE_PAGES:
        try:
            found = text.encode(wrong, "surrogateescape").decode(right)
        except UnicodeError:
            continue
        if found != text:
            yield found


def _is_like_a_code(word: str, *, alone: bool = False) -> bool:
    """Whether a word has the look of a code: digits with capital letters (or the whole text), or underscores."""
    return "_" in word or (any(map(str.isdigit, word)) and (alone or any(map(str.isupper, word))))


def _may_be_a_customers(code: str) -> bool:
    return len(code) > LONGEST_NUMBER and code.lstrip("-").isdigit()
