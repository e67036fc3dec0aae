"""The table of planted bugs fits the sources as they are; `python -m tests.planted` then plants them."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.planted.bug import Bug
from tests.planted.bugs import BUGS
from tests.planted.ground import ROOT

FEWEST = 20


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    names = Counter(bug.name for bug in BUGS)
    assert len(names) >= FEWEST
    assert names.total() == len(names)
    assert len({bug.edits for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_mistake_can_be_made_and_is_still_python(bug: Bug, tmp_path: Path) -> None:
    for edit in bug.edits:
        copy = tmp_path / edit.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            copy.write_text((ROOT / edit.file).read_text(encoding="utf-8"), encoding="utf-8")
        edit.apply(tmp_path)
    for edit in bug.edits:
        ast.parse((tmp_path / edit.file).read_text(encoding="utf-8"))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_the_tests_that_shall_notice_it_exist(bug: Bug) -> None:
    assert bug.catchers
    for catcher in bug.catchers:
        file, _, name = catcher.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name.partition("[")[0] in functions, catcher
