"""scripts/shape.py notices each breach of the house's shape, and refuses to check nothing."""

import configparser
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from scripts import shape
from scripts.shape import Bound
from tests.support.trips import trips
from tests.support.world import World

AT_THE_AIM = {name: Bound(bound.aim, bound.aim) for name, bound in shape.BOUNDS.items()}

HOUSE = {
    "billing_worker/__init__.py": "",
    "billing_worker/cli/main.py": "from billing_worker.usecases.charge import collect\n\ncollect.collect()\n",
    "billing_worker/demo/run.py": "",
    "billing_worker/web/app.py": "from billing_worker.usecases import reading\n\nreading.why.why()\n",
    "billing_worker/ports/__init__.py": "from billing_worker.ports.storage import Database\n",
    "billing_worker/ports/storage.py": "class Database: ...\n" + "def short() -> None: ...\n" * 30,
    "billing_worker/usecases/__init__.py": "",
    "billing_worker/usecases/jobs.py": "from billing_worker.usecases.charge.collect import due\n\nJOBS = ['collect']\n",
    "billing_worker/usecases/charge/__init__.py": "",
    "billing_worker/usecases/charge/collect.py": (
        "from billing_worker.ports import Database\n"
        "from billing_worker.usecases.settle.record import record\n\n\n"
        "def collect(database: Database) -> None:\n"
        "    with database.transaction() as uow:\n"
        "        uow.alerts.open(Kind.UNKNOWN, 'inv_1')\n"
    ),
    "billing_worker/usecases/settle/record.py": "def record() -> None: ...\n",
    "billing_worker/usecases/reading/why.py": "def why() -> None: ...\n",
    "tasks/jobs.py": "",
}
"""A small house that is at every aim."""


class Planted:
    """Sources in a folder, for a mistake to be made in them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> None:
        """Write one file."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def figure(self, name: str) -> int:
        """One figure of these sources."""
        (found,) = (figure.value for figure in shape.measured(self.root, ()) if figure.name == name)
        return found

    def breaches(self) -> list[str]:
        """What is above an aim."""
        return shape.breaches(shape.measured(self.root, ()), AT_THE_AIM)


@pytest.fixture
def house(tmp_path: Path) -> Planted:
    planted = Planted(tmp_path)
    for path, text in HOUSE.items():
        planted.write(path, text)
    assert planted.breaches() == []
    return planted


@pytest.fixture(scope="module")
def figures() -> list[shape.Figure]:
    """This checkout's."""
    return shape.measured(shape.ROOT)


def function(lines: int, name: str = "f") -> str:
    return f"def {name}() -> None:\n" + "    g()\n" * (lines - 1)


def test_the_house_as_it_is_keeps_within_its_bounds(figures: list[shape.Figure]) -> None:
    found = shape.breaches(figures, shape.BOUNDS)
    assert "\n".join(found) == ""


def test_every_figure_has_a_bound(figures: list[shape.Figure]) -> None:
    """A trip's figures are another test's."""
    assert {figure.name for figure in figures} == {name for name in shape.BOUNDS if shape.OF_A_TRIP not in name}


def test_no_bound_is_below_its_aim() -> None:
    assert [name for name, bound in shape.BOUNDS.items() if bound.now < bound.aim] == []


def test_no_bound_stays_above_what_was_reached(figures: list[shape.Figure]) -> None:
    """A figure that fell must not rise again: `now` follows it down to the aim."""
    loose = [
        f"{figure.name}: {figure.value}, now={bound.now}"
        for figure in figures
        for bound in [shape.BOUNDS[figure.name]]
        if bound.now > max(figure.value, bound.aim)
    ]
    assert loose == []


def test_a_long_function_is_noticed(house: Planted) -> None:
    house.write("billing_worker/domain/long.py", "\n\n" + function(61))
    (line,) = house.breaches()
    assert line == ("shape: function lines, longest: 61, at most 60: billing_worker/domain/long.py:3 f (61 lines)")


def test_a_function_is_as_long_as_its_docstring_and_blank_lines_make_it(house: Planted) -> None:
    house.write("billing_worker/domain/long.py", 'def f() -> None:\n    """A docstring."""\n\n' + "    g()\n" * 58)
    assert house.figure("function lines, longest") == 61


def test_many_functions_that_are_rather_long_are_noticed(house: Planted) -> None:
    for number in range(40):
        house.write(f"billing_worker/domain/long_{number}.py", function(21))
    assert [line.split(":")[1].strip() for line in house.breaches()] == [
        "function lines, median",
        "function lines, 90 of 100",
    ]


def test_a_long_file_is_noticed_and_one_of_data_is_not(house: Planted) -> None:
    house.write("billing_worker/domain/rows.py", "ROW = 1\n" * 321)
    assert house.breaches() == [
        "shape: file lines, longest: 321, at most 320: billing_worker/domain/rows.py:1 (321 lines)",
        "shape: files above 320 lines: 1, at most 0: billing_worker/domain/rows.py:1 (321 lines)",
    ]
    assert shape.breaches(shape.measured(house.root, ["billing_worker/domain/rows.py"]), AT_THE_AIM) == []


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ("import billing_worker.domain.b", "from billing_worker.domain.a import x"),
        ("from billing_worker.domain import b", "from billing_worker.domain import a"),
        ("from . import b", "from .a import x"),
        (
            "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from billing_worker.domain.b import X",
            "from .a import x",
        ),
        ("def f() -> None:\n    from billing_worker.domain.b import x", "from ..domain.a import x"),
    ],
    ids=["import", "from package", "relative", "for types only", "inside a function"],
)
def test_a_cycle_is_noticed(house: Planted, there: str, back: str) -> None:
    house.write("billing_worker/domain/__init__.py", "")
    house.write("billing_worker/domain/a.py", there)
    house.write("billing_worker/domain/b.py", back)
    first, second = house.breaches()
    assert first.startswith("shape: import cycles: 1, at most 0: billing_worker/domain/a.py:")
    assert first.endswith("(2 modules: billing_worker.domain.a billing_worker.domain.b)")
    assert second.startswith("shape: modules in import cycles: 2, at most 0: ")


def test_a_name_that_a_package_hands_on_leads_through_the_package(house: Planted) -> None:
    house.write("billing_worker/ports/storage.py", "from billing_worker.domain.invoice import Invoice\n")
    house.write("billing_worker/domain/invoice.py", "from billing_worker.ports import Database\n")
    assert house.figure("modules in import cycles") == 3


def test_two_cycles_are_two(house: Planted) -> None:
    for one, other in [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("e", "a")]:
        house.write(f"billing_worker/domain/{one}.py", f"import billing_worker.domain.{other}\n")
    assert (house.figure("import cycles"), house.figure("modules in import cycles")) == (2, 4)


@pytest.mark.parametrize(
    ("room", "imported", "said"),
    [
        ("settle", "from billing_worker.usecases.charge.collect import collect", "(settle imports charge)"),
        ("settle", "from billing_worker.usecases import charge", "(settle imports charge)"),
        ("settle", "from billing_worker.usecases import jobs", "(settle imports jobs.py)"),
        ("reading", "from ..settle import record", "(reading imports settle)"),
    ],
)
def test_an_import_against_the_floors_is_noticed(house: Planted, room: str, imported: str, said: str) -> None:
    house.write(f"billing_worker/usecases/{room}/new.py", f"import ast\n{imported}\n")
    line, *cycles = house.breaches()
    against = [line for line in [line, *cycles] if "floors" in line]
    assert against == [
        f"shape: imports against the floors: 1, at most 0: billing_worker/usecases/{room}/new.py:2 {said}"
    ]


def test_the_contract_about_the_rooms_has_the_same_floors() -> None:
    """Both checks are there, and neither permits what the other's table calls upward."""
    contracts = configparser.ConfigParser()
    assert contracts.read(shape.ROOT / ".importlinter")
    layers = contracts["importlinter:contract:rooms"]["layers"].strip().splitlines()
    floor = {room.strip(): number for number, rooms in enumerate(layers) for room in rooms.split("|")}
    assert floor.keys() == {*shape.FLOORS, shape.TOP.removesuffix(".py")} - {"reading"}
    upward = [(room, other) for room, below in shape.FLOORS.items() for other in below if floor[other] <= floor[room]]
    assert upward == []


@pytest.mark.parametrize("path", ["new.py", "attic/new.py"])
def test_a_use_case_in_no_room_is_noticed(house: Planted, path: str) -> None:
    house.write(f"billing_worker/usecases/{path}", "from billing_worker.usecases.charge import collect\n")
    assert house.breaches() == [f"shape: use cases in no room: 1, at most 0: billing_worker/usecases/{path}:1"]


@pytest.mark.parametrize(
    ("path", "text", "counted"),
    [
        ("tasks/jobs.py", '@app.task(name="billing.collect")\ndef f() -> None: ...\n', 1),
        ("tasks/schedule.py", 'SCANS = ("renew_due", "collect_due")\n', 2),
        ("tasks/app.py", 'routes = {"billing.*_due": 1, "billing.unlocked": 2}\n', 2),
        ("billing_worker/simulation/jobs.py", 'UNITS = {"collect": f, "renew": f}\n', 2),
        ("billing_worker/web/intake.py", 'bell.ring("apply", "1")\n', 1),
        ("billing_worker/web/intake.py", 'bell.ring(JobName("apply"), "1")\n', 1),
        ("billing_worker/usecases/jobs.py", "NAMES = ['collect', 'renew']\n", 0),
        ("billing_worker/cli/refund.py", 'command("refund")\nlog("billing.web")\n', 0),
    ],
)
def test_a_job_name_is_counted_wherever_it_is_written(house: Planted, path: str, text: str, counted: int) -> None:
    house.write(path, text)
    assert house.figure("job names outside their table") == counted


@pytest.mark.parametrize("folder", ["billing_worker/cli", "billing_worker/web/api", "billing_worker/demo", "tasks"])
def test_a_transaction_outside_of_a_use_case_is_noticed(house: Planted, folder: str) -> None:
    house.write(f"{folder}/new.py", "with ports.database.transaction() as uow:\n    uow.plans.get('p')\n")
    assert house.breaches() == [f"shape: transactions outside use cases: 1, at most 0: {folder}/new.py:1"]


@pytest.mark.parametrize(
    "call",
    [
        "uow.alerts.open('unknown', 'inv_1')",
        "news.uow.alerts.close('unknown', 'inv_1')",
        "alerts.has(kind='unknown', subject='inv_1')",
        "uow.alerts.open('unknown' if late else Kind.LATE, 'inv_1')",
    ],
)
def test_an_alert_kind_as_a_bare_string_is_noticed(house: Planted, call: str) -> None:
    house.write("billing_worker/usecases/settle/new.py", f"{call}\n")
    assert house.breaches() == [
        "shape: alert kinds as bare strings: 1, at most 0: billing_worker/usecases/settle/new.py:1 unknown",
        "shape: places that write an alert's kind: 1, at most 0: billing_worker/usecases/settle/new.py:1 unknown",
    ]


def test_many_places_are_cut_short(house: Planted) -> None:
    house.write("tasks/new.py", "ports.database.transaction()\n" * 7)
    (line,) = house.breaches()
    assert line.endswith("; tasks/new.py:5; and 2 more, see --places")


def test_a_breach_ends_the_check_with_1(house: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    for path in shape.DATA:
        house.write(path, "")
    assert shape.main(["--check", "--root", str(house.root)]) == 0
    house.write("tasks/new.py", function(63))
    assert shape.main(["--check", "--root", str(house.root)]) == 1
    most = shape.BOUNDS["function lines, longest"].now
    assert f"function lines, longest: 63, at most {most}: tasks/new.py:1 f (63 lines)" in capsys.readouterr().err


@pytest.fixture
def emptied(house: Planted) -> Iterator[Planted]:
    yield house
    with pytest.raises(shape.NothingToMeasure):
        house.breaches()


def test_an_empty_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shape.main(["--check", "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "shape: no Python file below billing_worker\n"


@pytest.mark.parametrize("folder", [*shape.SOURCES, *shape.ENTRANCES, shape.USE_CASES])
def test_a_folder_without_files_is_refused(emptied: Planted, folder: str) -> None:
    for path in (emptied.root / folder).rglob("*.py"):
        path.unlink()


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("billing_worker/usecases/jobs.py", "'collect'"),
        ("billing_worker/usecases/charge/collect.py", ".transaction()"),
        ("billing_worker/usecases/charge/collect.py", ".alerts.open("),
    ],
)
def test_a_check_that_finds_nothing_to_look_at_is_refused(emptied: Planted, path: str, gone: str) -> None:
    assert gone in HOUSE[path]
    emptied.write(path, HOUSE[path].replace(gone, "f(" if gone.endswith("(") else ""))


def test_a_data_file_that_is_gone_is_refused(house: Planted) -> None:
    with pytest.raises(shape.NothingToMeasure, match=r"no such data file: billing_worker/gone\.py"):
        shape.measured(house.root, ["billing_worker/gone.py"])


def test_a_bound_on_a_trip_that_is_gone_is_refused() -> None:
    with pytest.raises(shape.NothingToMeasure, match="no such trip: collect, approved: files"):
        shape.trip_figures({"renew": {"files": 1}})


def test_no_trip_enters_more_than_it_did(world: World) -> None:
    figures = shape.trip_figures({name: asdict(trip) for name, trip in trips(world).items()})
    found = shape.breaches(figures, shape.BOUNDS)
    assert "\n".join(found) == ""
