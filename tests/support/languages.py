"""Whether a text is in one language only: what is the same in every language is left out of account."""

import re
from collections.abc import Sequence

from billing_worker.domain.alerts import AlertKind
from billing_worker.usecases.reading.views.insight import Explanation

SAME = re.compile(
    r"billing-worker [^;]*|\S*(?:[\d_@/]|[a-z]\.[a-z])\S*"
    r"|(?<![A-Za-z])(?:KRW|UTC|KST|PG|worker|Plan|HTTP|API)(?![A-Za-z])"
    rf"|\b(?:{'|'.join(AlertKind)})(?=: )"
)
"""Ids, times, commands and names."""
ENGLISH, HANGUL = re.compile(r"[A-Za-z]{2,}"), re.compile(r"[가-힣]")
DETAIL = re.compile(r" \([^)]*\)$")


def lines_of(told: Explanation) -> list[str]:
    """Every line of `why`, without the recorded details of actions."""
    acts = [DETAIL.sub("", line) for line in told.actions]
    return [told.subject, told.answer, told.next, *told.history, *told.notices, *told.alerts, *acts]


def english_in(text: str, quoted: Sequence[str] = ()) -> list[str]:
    """The English words of a text, without what is the same in every language, and what is quoted."""
    for each in quoted:
        text = text.replace(each, " ")
    return ENGLISH.findall(SAME.sub(" ", text))


def assert_told_in_both(english: Explanation, korean: Explanation, quoted: Sequence[str] = ()) -> None:
    """Each has its own language only, and both have the same facts: ids, sums and times."""
    for line in lines_of(korean):
        assert english_in(line, quoted) == [], line
        assert HANGUL.search(line), line
    for line in lines_of(english):
        bare = line
        for each in quoted:
            bare = bare.replace(each, " ")
        assert not HANGUL.search(bare), line
    assert facts_of(english) == facts_of(korean)
    assert len(lines_of(english)) == len(lines_of(korean))


def facts_of(told: Explanation) -> list[str]:
    """The ids, days and sums of an explanation, in the order of the alphabet."""
    found = re.findall(r"[a-z]+_[a-z0-9]{12,}|\d{4}-\d\d-\d\d|[\d,]+ KRW", "\n".join(lines_of(told)))
    return sorted(found)
