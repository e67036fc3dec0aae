"""Count the readings of a signed text.

The signature covers `name=value` pairs glued together without a separator. Two sets of parameters that form the same
text share one signature: a forger who has seen one can send the other. A pingback is accepted only if its text has a
single valid reading.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from billing_worker.adapters.paymentwall.names import REQUIRED, Names

V1_GOODS = ("uid", "goodsid", "slength", "speriod", "type", "ref")
V1_CURRENCY = ("uid", "currency", "type", "ref")


@dataclass(frozen=True, slots=True)
class _Order:
    """The allowed order of names. Some names are required, the others optional."""

    names: Sequence[str]
    required: frozenset[str]

    def follows(self, before: int, after: int) -> bool:
        """Whether one name may come right after another; -1 is the beginning, the number of names the end."""
        return before < after and not self.required.intersection(self.names[before + 1 : after])


class _Mark(NamedTuple):
    """A known name and its equals sign, somewhere in the text."""

    start: int
    end: int
    name: str


def readings(text: str, names: Names, version: int) -> int:
    """The number of valid sets of parameters that form this text."""
    if version == 1:
        return sum(_count(text, _Order(each, frozenset(each)), names, "1") for each in (V1_GOODS, V1_CURRENCY))
    return _count(text, _Order(sorted(names.forms), REQUIRED | {"sign_version"}), names, str(version))


def _count(text: str, order: _Order, names: Names, version: str) -> int:
    """Sum from the end: for each place of a name, the number of ways to continue."""
    ranks = {name: rank for rank, name in enumerate(order.names)}
    marks = sorted(mark for name in names.forms for mark in _marks(text, name))
    starts = [mark.start for mark in marks]
    complete = [*accumulate((mark.end for mark in reversed(marks)), min)][::-1]
    ways = [0] * len(marks)
    for at, here in reversed([*enumerate(marks)]):
        if here.name not in ranks:
            continue
        first = bisect_left(starts, here.end)
        # A value contains no known name: it ends before the next name is complete.
        last = bisect_left(starts, complete[first]) if first < len(marks) else len(marks)
        ends = [(mark.start, ranks[mark.name], ways[of]) for of, mark in enumerate(marks[first:last], first)
                if mark.name in ranks]  # fmt: skip
        if first == len(marks):
            ends.append((len(text), len(ranks), 1))
        for end, rank, further in ends:
            value = text[here.end : end]
            right = value == version if here.name == "sign_version" else names.fits(here.name, value)
            if right and order.follows(ranks[here.name], rank):
                ways[at] += further
    return sum(
        ways[at] for at, mark in enumerate(marks) if mark.start == 0 and order.follows(-1, ranks.get(mark.name, -1))
    )


def _marks(text: str, name: str) -> Iterator[_Mark]:
    sought = name + "="
    start = text.find(sought)
    while start >= 0:
        yield _Mark(start, start + len(sought), name)
        start = text.find(sought, start + 1)
