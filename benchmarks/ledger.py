"""The sandbox's own books after a run: who was charged how often, by the one who moved the money."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """How many periods were charged never, once, and more often."""

    expected: int
    once: int
    doubled: int
    payments: int

    @property
    def lost(self) -> int:
        """Periods that should have been charged, and were not."""
        return self.expected - self.once - self.doubled

    @property
    def good(self) -> bool:
        """Each period was charged once."""
        return self.once == self.expected


def judged(expected: int, payments: Counter[str]) -> Judged:
    """Judge the payments of each period."""
    counts = Counter(payments.values())
    once = counts.pop(1, 0)
    return Judged(expected, once, sum(count for times, count in counts.items() if times > 1), payments.total())


def payments(path: Path, of: Callable[[Row], str | None]) -> Counter[str]:
    """Payments that hold money, by what `of` names for a row; None leaves it out."""
    with path.open("rb") as lines:
        return counted((json.loads(line) for line in lines if line.startswith(b'{"kind":"payment"')), of)


def counted(rows: Iterable[Row], of: Callable[[Row], str | None]) -> Counter[str]:
    """As `payments`, of rows in their order: the last row of a payment says how it stands."""
    standing: dict[str, str] = {}
    for row in rows:
        name = of(row)
        if name is None:
            continue
        if row.get("status") == "paid" and row["amount"] > row.get("cancel_amount", 0):
            standing[row["imp_uid"]] = name
        else:
            standing.pop(row["imp_uid"], None)
    return Counter(standing.values())


def period(row: Row) -> str | None:
    """The period that one of our own charges is for: its merchant_uid without the generation."""
    name, end, _ = str(row["merchant_uid"]).rpartition("g")
    return name if end and row.get("customer_uid", "").startswith("ok-bench-") else None


def customer(row: Row) -> str | None:
    """Whose card it was, for a worker whose order numbers say nothing."""
    uid = str(row.get("customer_uid", ""))
    return uid if uid.startswith("ok-naive-") else None
