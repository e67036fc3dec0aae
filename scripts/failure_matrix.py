"""Write docs/failure-matrix.md: each failure, with the tests that prove it harmless or the reason for none.

python scripts/failure_matrix.py > docs/failure-matrix.md
"""

import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "scripts" / "failure_matrix.toml"

HEAD = """\
# Failure matrix

Each failure, with the test that proves it harmless. A test names its rows with `@pytest.mark.fm("C7")`. A row without a
test has a reason. Written by `make docs` from the markers and `scripts/failure_matrix.toml`.

{covered} of {all} rows have a test.
"""


def main() -> int:
    """Print the page."""
    print(text(), end="")
    if both := sorted(set(tests_by_row()) & set(_data()["reasons"])):
        print(f"{DATA.name}: these rows have a test, so remove their reasons: {' '.join(both)}", file=sys.stderr)
    return 0


def text() -> str:
    """The whole page. Raises ValueError if markers, rows and reasons are inconsistent."""
    data = _data()
    reasons: dict[str, str] = data["reasons"]
    proven = tests_by_row()
    rows = [row for part in data["part"] for row in part["rows"]]
    _refuse_misfits(rows, set(proven), set(reasons))
    parts = [HEAD.format(covered=len(proven), all=len(rows))]
    for part in data["part"]:
        lines = [f"## {part['title']}", "", "| row | what goes wrong | proven by |", "|---|---|---|"]
        for row, fault in part["rows"].items():
            tests = "<br>".join(f"`{test}`" for test in proven.get(row, ())) or f"no test: {reasons[row]}"
            lines.append(f"| {row} | {fault} | {tests} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _data() -> dict[str, Any]:
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def tests_by_row() -> dict[str, list[str]]:
    """The tests that carry each row's marker, as file::test, in the order of the files."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        place = path.relative_to(ROOT).as_posix()
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                decorators: list[ast.AST] = list(statement.decorator_list)
                name = f"{place}::{statement.name}"
            else:
                decorators, name = [statement], place
            for row in sorted({row for decorator in decorators for row in _marked(decorator)}):
                found[row].append(name)
    return dict(found)


def _marked(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "pytest.mark.fm":
            for argument in inner.args:
                if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                    raise ValueError(f"{ast.unparse(inner)} does not name its row")  # noqa: TRY004 - a misfit like others
                yield argument.value


def _refuse_misfits(rows: list[str], proven: set[str], explained: set[str]) -> None:
    if len(rows) != len(set(rows)):
        raise ValueError("a row occurs twice")
    if unknown := sorted((proven | explained) - set(rows)):
        raise ValueError(f"no such row: {unknown}")
    if silent := sorted(set(rows) - proven - explained):
        raise ValueError(f"neither a test nor a reason: {silent}")


if __name__ == "__main__":
    sys.exit(main())
