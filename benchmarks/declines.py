"""How long one look-up of a decline takes, and what the normaliser makes of a table of codes.

    python -m benchmarks.declines                the codes of the books, and a text of each rule's kind
    python -m benchmarks.declines TABLE.csv      each row of a table with pg, code, message and class

CPU microseconds, the best of seven rounds. `first`: no text was seen before; `again`: as in production, where a PG
sends the same few texts. With a table it also prints how many rows are read against their class, or not understood.
"""

import argparse
import csv
import gc
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from billing_worker.domain.declines.normaliser import BOOKS, forget, normalise
from billing_worker.domain.declines.reasons import Advice, Category

ROUNDS = 7
SAMPLE = (
    "도난카드",
    "통장 잔액부족",
    "카드사 시스템 장애",
    "유효기간 오류",
    "1회 한도초과",
    "카드사로 문의",
    "미등록 가맹점",
    "중복 거래요청, 처음부터 재시도 요망",
    "Do not honor",
    "포맷에러(지불|신용카드|카드번호)",
    "등록되지 않은 빌링키",
)
RETRY = (Advice.RETRY_SOON, Advice.BETTER_DAY)
MERCHANT_OR_TECHNICAL = ("config", "soft_system")

Asked = tuple[str, str]
"""A PG and a text."""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", type=Path, help="a CSV file with pg, code, message and class")
    table = parser.parse_args().table
    rows = list(csv.DictReader(table.open(encoding="utf-8"))) if table else []
    asked = [(row["pg"], f"[{row['code']}]{row['message']}") for row in rows] or _sample()
    gc.disable()
    print(f"{len(asked)} texts, first: {_best(asked, first=True):.1f} us a look-up")
    repeated = asked[:2000]
    print(f"{len(repeated)} texts, again: {_best(repeated, first=False):.2f} us a look-up")
    for name, count in _judged(rows).items():
        print(f"{name}: {count} of {len(rows)}")


def _sample() -> Sequence[Asked]:
    return [
        (pg, f"[{code}]{SAMPLE[at % len(SAMPLE)]}") for pg, book in BOOKS.items() for at, code in enumerate(book.codes)
    ]


def _best(asked: Sequence[Asked], *, first: bool) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        if first:
            forget()
        began = time.process_time()
        for pg, text in asked:
            normalise(pg, text)
        best = min(best, time.process_time() - began)
    return best / len(asked) * 1e6


def _judged(rows: Iterable[dict[str, str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in rows:
        for text in (f"[{row['code']}]{row['message']}", row["message"]):
            decline, form = normalise(row["pg"], text), "alone" if text == row["message"] else "with its code"
            wrong = {
                "hard, and tried again": row["class"].startswith("hard_") and decline.advice in RETRY,
                "merchant's or technical, and the key killed": row["class"] in MERCHANT_OR_TECHNICAL
                and decline.advice is Advice.ANOTHER_CARD,
                "unknown": decline.category is Category.UNKNOWN,
            }
            found.update({f"{name} (text {form})": int(holds) for name, holds in wrong.items()})
    return found


if __name__ == "__main__":
    main()
