"""Write the tables of PGs into docs/pgs.md, from the rows themselves.

python scripts/pg_table.py
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from billing_worker.domain.pgs.facts import FLOWS, Fact, Pg, Support  # noqa: E402 - the line above makes it importable
from billing_worker.domain.pgs.table import OF_ALL, PGS  # noqa: E402 - as above

PAGE = ROOT / "docs" / "pgs.md"
BEGIN, END = "<!-- written by scripts/pg_table.py -->\n", "<!-- end -->\n"
WRITTEN = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
FACTS = "| flow | | field | what | checked here | who says so |\n|---|---|---|---|---|---|\n"


def main() -> int:
    """Replace the tables."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def written(page: str) -> str:
    """The page with the current tables. Raises ValueError if the page has no place for them."""
    text, found = WRITTEN.subn(lambda _: BEGIN + "".join(_parts()) + END, page)
    if found != 1:
        raise ValueError(f"{found} places for the tables of PGs")
    return text


def _parts() -> Iterator[str]:
    yield "\n## Who has what\n\n| code | | | keys stand for |" + "".join(f" {flow} |" for flow in FLOWS) + "\n"
    yield "|---|---|---|---|" + "---|" * len(FLOWS) + "\n"
    for pg in PGS.values():
        support = "".join(f" {pg.has(flow)} |" for flow in FLOWS)
        yield f"| `{pg.code}` | {pg.korean} | {pg.english} | {pg.pays_with} |{support}\n"
    yield "\n## What every PG does\n\n" + FACTS + "".join(map(_row, OF_ALL))
    yield "\n## What each PG does\n"
    for pg in PGS.values():
        yield from _of(pg)
    yield "\n"


def _of(pg: Pg) -> Iterator[str]:
    yield f"\n### {pg.code}: {pg.korean}\n\n"
    for flow in FLOWS:
        way = pg.ways[flow]
        if way.has is Support.CONTRADICTED or way.note:
            yield f"- **{flow}: {way.has}.** {way.note[:1].upper()}{way.note[1:]}. {_said(way.sources)}\n"
    if pg.calls_per_second is not None:
        yield f"- **Rate:** at most {pg.calls_per_second} charges a second are advised.\n"
    yield f"- Flows by: {_said(tuple(dict.fromkeys(each for way in pg.ways.values() for each in way.sources)))}\n"
    if pg.facts:
        yield "\n" + FACTS + "".join(map(_row, pg.facts))


def _row(fact: Fact) -> str:
    checked = "yes" if fact.rule is not None else ""
    return f"| {fact.flow} | {fact.kind} | `{fact.field}` | {fact.text} | {checked} | {_said(fact.sources)} |\n"


def _said(sources: tuple[object, ...]) -> str:
    return "; ".join(map(str, sources))


if __name__ == "__main__":
    sys.exit(main())
