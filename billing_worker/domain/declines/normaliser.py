"""One reading of a decline: from the PG and its text to a category, and to what helps.

The order: a code whose meaning is firm, whatever its text says; the words; the words read with the right code page;
the code, if the words say nothing that a rule knows.
"""

from collections.abc import Mapping
from functools import lru_cache

from billing_worker.domain.declines.books import danal, inicis, kakaopay, kcp, nice_v2, paymentwall, tosspayments
from billing_worker.domain.declines.books.book import Book
from billing_worker.domain.declines.reasons import Advice, Category, Decline
from billing_worker.domain.declines.text import LONGEST, plain, repaired, take_apart
from billing_worker.domain.declines.wording import Rule, rule_of

BOOKS: Mapping[str, Book] = {
    "kcp": kcp.BOOK,
    "kcp_billing": kcp.BOOK,
    "kcp_direct": kcp.BOOK,
    "inicis": inicis.BOOK,
    "html5_inicis": inicis.BOOK,
    "inicis_v2": inicis.BOOK,
    "tosspayments": tosspayments.BOOK,
    "tosspayments_coreapi": tosspayments.BOOK,
    "uplus": tosspayments.BOOK,
    "kakaopay": kakaopay.BOOK,
    "danal": danal.BOOK,
    "danal_tpay": danal.BOOK,
    "nice": nice_v2.BOOK,
    "nice_v2": nice_v2.BOOK,
    "paymentwall": paymentwall.BOOK,
}
"""The code book of each PG, by PortOne's code of it. Every other PG is read by its words alone."""

NO_BOOK = Book("no book", {}, {})
REMEMBERED = 4096
"""PGs send the same few texts over and over."""


def normalise(pg: str, text: str) -> Decline:
    """What a decline of this PG is about, and what helps. Every text has an answer; the longest are read in part."""
    return _normalise(pg, text[:LONGEST])


@lru_cache(maxsize=REMEMBERED)
def _normalise(pg: str, text: str) -> Decline:
    codes, words = take_apart(text)
    book = BOOKS.get(pg) or BOOKS.get(pg.partition(".")[0].strip().lower(), NO_BOOK)
    code = None
    if codes:
        code = codes[0].upper()
        if len(codes) > 1:
            code = next((one for one in map(str.upper, codes) if one in book.codes or one in book.firm), code)
        if code in book.firm:
            return Decline(*book.firm[code], code, f"code book: {book.source}")
    rule = rule_of(plain(words)) or _repaired_rule(text)
    if rule is not None:
        return Decline(rule.category, rule.advice, code, rule.source)
    if code is not None and code in book.codes:
        return Decline(*book.codes[code], code, f"code book: {book.source}")
    rule = rule_of(plain(text)) if codes else None
    if rule is not None:
        return Decline(rule.category, rule.advice, code, rule.source)
    return Decline(Category.UNKNOWN, Advice.ASK_GATEWAY, code, "no rule")


def forget() -> None:
    """Forget the texts that were seen: for measurements."""
    _normalise.cache_clear()


def _repaired_rule(text: str) -> Rule | None:
    """The rule of a text whose bytes were read with the wrong code page."""
    if text.isascii():
        return None
    words = (plain(take_apart(each).words) for each in repaired(text))
    return next(filter(None, map(rule_of, words)), None)
