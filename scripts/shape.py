"""Measure the shape of the sources, and hold it.

    python scripts/shape.py             prints each figure, its present bound, and its aim
    python scripts/shape.py --places    also lists the places behind each figure, by file and line
    python scripts/shape.py --check     ends with 1, and one line per breach, if a figure is above its bound
    python scripts/shape.py --trace     measures live trips instead; this needs PostgreSQL, as the tests do

When a figure falls, `now` in `BOUNDS` must follow: tests/test_shape.py checks that.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from billing_worker.usecases.jobs import JobName

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FUNCTION = 60
LONGEST_FILE = 320
SHOWN = 5
"""Places that one line names."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The aim of a figure, and its present bound."""

    aim: int
    now: int


BOUNDS = {
    "function lines, median": Bound(aim=6, now=6),
    "function lines, 90 of 100": Bound(aim=20, now=20),
    "function lines, longest": Bound(aim=LONGEST_FUNCTION, now=60),
    "file lines, longest": Bound(aim=LONGEST_FILE, now=320),
    f"files above {LONGEST_FILE} lines": Bound(aim=0, now=0),
    "import cycles": Bound(aim=0, now=0),
    "modules in import cycles": Bound(aim=0, now=0),
    "imports against the floors": Bound(aim=0, now=0),
    "use cases in no room": Bound(aim=0, now=0),
    "job names outside their table": Bound(aim=0, now=0),
    "transactions outside use cases": Bound(aim=0, now=0),
    "alert kinds as bare strings": Bound(aim=0, now=0),
    "places that write an alert's kind": Bound(aim=0, now=0),
    # The bounds of a charge rose twice: when it got turns at its PG, the pause, and the span of service (decisions 0033
    # to 0035); and when an invoice could be without a period, and a key told of its card (0039, 0040). There is more to
    # enter, and not one statement more.
    # A trip's aim: 25 files and 120 moves for a charge; for the others, their figures when the moves were planned.
    "renewal, approved: files": Bound(aim=25, now=46),
    "renewal, approved: moves": Bound(aim=120, now=259),
    "renewal, approved: statements": Bound(aim=12, now=12),
    "renewal, approved: transactions": Bound(aim=2, now=2),
    "collect, approved: files": Bound(aim=25, now=42),
    "collect, approved: moves": Bound(aim=120, now=242),
    "collect, approved: statements": Bound(aim=10, now=10),
    "collect, approved: transactions": Bound(aim=2, now=2),
    "collect, issuing payment: files": Bound(aim=25, now=54),
    "collect, issuing payment: moves": Bound(aim=120, now=369),
    "collect, issuing payment: statements": Bound(aim=23, now=23),
    "collect, issuing payment: transactions": Bound(aim=2, now=2),
    "webhook, received: files": Bound(aim=8, now=8),
    "webhook, received: moves": Bound(aim=18, now=20),
    "webhook, received: statements": Bound(aim=3, now=3),
    "webhook, received: transactions": Bound(aim=1, now=1),
    "webhook, applied: files": Bound(aim=38, now=42),
    "webhook, applied: moves": Bound(aim=225, now=225),
    "webhook, applied: statements": Bound(aim=15, now=15),
    "webhook, applied: transactions": Bound(aim=2, now=2),
}
"""Every bounded figure. `--check` fails above `now`, never above `aim`."""

OF_A_TRIP = ": "
"""The separator between a trip and its figure. No other figure's name contains it."""

SOURCES = ("billing_worker", "tasks")
USE_CASES = "billing_worker/usecases"
ENTRANCES = ("billing_worker/cli", "billing_worker/demo", "billing_worker/web", "tasks")
"""The entrances: a transaction opened here belongs in a use case."""

LEFT_OUT = "billing_worker/adapters/database/migrations"
"""A released migration must not change, so it cannot become shorter."""

DATA = {
    "billing_worker/sandbox/world/behaviours.py": "its only long function is the table of behaviours, one a line",
}
"""Files with almost only data, each with the reason. Only their lengths are not counted."""

FLOORS: dict[str, tuple[str, ...]] = {
    "access": (),
    "control": ("access",),
    "key": ("access",),
    "outgoing": ("access",),
    "payment": ("access", "dunning"),
    "reading": (),
    "settle": ("access", "control"),
    "subscription": ("access", "control", "dunning", "key", "schedule", "shadow"),
    "card": ("access", "key", "subscription"),
    "moving": ("access", "key", "subscription"),
    "schedule": ("control", "settle"),
    "shadow": (),
    "notice": ("card",),
    "dunning": ("access",),
    "customer": ("access",),
    "charge": ("access", "control", "entry", "settle", "key", "payment", "schedule", "subscription"),
    "refund": ("access", "control", "settle"),
    "entry": ("access", "control", "key", "payment", "settle", "subscription"),
    "incoming": ("access", "control", "key", "schedule", "settle", "subscription"),
    "review": ("access", "control", "key", "schedule", "settle", "subscription"),
}
"""The rooms of the use cases, with the rooms that each may import."""

TOP = "jobs.py"
"""This file of the use cases may import every room, and no room may import it."""

JOBS = tuple(str(name) for name in JobName)
NAMING_FILES = ("jobs.py", "schedule.py")
NAMING_CALLS = ("ring", "send", "Ring", "Job", "JobName")
"""A bare job name is an English word, so it counts in these files and as the first argument of these calls only."""

ALERT_CALLS = ("open", "close", "has")

_FULL_NAME = re.compile(rf"billing\.(\*|{'|'.join(JOBS)})(_due)?|({'|'.join(JOBS)})_due")

Edges = dict[str, dict[str, int]]
"""For each module the ones that it imports, with the line."""


class NothingToMeasure(Exception):
    """A check has no input, and would always pass."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a source file."""

    path: str
    line: int
    what: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.what}".rstrip()


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number with its places; lengths begin with the longest."""

    name: str
    value: int
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """A source file, read and parsed."""

    path: str
    lines: int
    nodes: tuple[ast.AST, ...]

    @property
    def name(self) -> str:
        """Its name in an import."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def within(self, *folders: str) -> bool:
        """Whether it is below one of these folders."""
        return self.path.startswith(tuple(f"{folder}/" for folder in folders))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--places", action="store_true")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--root", type=Path, default=ROOT, help="measure the files of another checkout")
    options = parser.parse_args(arguments)
    if options.trace and options.root != ROOT:
        parser.error("--trace runs the code of this checkout only")
    try:
        figures = traced() if options.trace else measured(options.root)
    except NothingToMeasure as error:
        print(f"shape: {error}", file=sys.stderr)
        return 2
    found = breaches(figures, BOUNDS) if options.check else []
    if not options.check:
        print(table(figures, places=options.places))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


def table(figures: Iterable[Figure], *, places: bool = False) -> str:
    """Each figure beside its bounds."""
    lines = [f"{'':40}{'figure':>8}{'now':>8}{'aim':>8}"]
    for figure in figures:
        bound = BOUNDS.get(figure.name)
        bounds = f"{bound.now:8}{bound.aim:8}" if bound else ""
        lines.append(f"{figure.name:40}{figure.value:8}{bounds}")
        lines += [f"    {place}" for place in figure.places if places]
    return "\n".join(lines)


def breaches(figures: Iterable[Figure], bounds: Mapping[str, Bound]) -> list[str]:
    """One line for each figure above its bound."""
    return [
        f"shape: {figure.name}: {figure.value}, at most {bounds[figure.name].now}{_some(figure.places)}"
        for figure in figures
        if figure.name in bounds and figure.value > bounds[figure.name].now
    ]


def _some(places: Sequence[Place]) -> str:
    more = f"; and {len(places) - SHOWN} more, see --places" if len(places) > SHOWN else ""
    return f": {'; '.join(map(str, places[:SHOWN]))}{more}" if places else ""


def measured(root: Path, data: Iterable[str] = tuple(DATA)) -> list[Figure]:
    """Every figure that needs no run of the code. Raises NothingToMeasure."""
    modules = load(root)
    if missing := sorted(set(data) - {module.path for module in modules}):
        raise NothingToMeasure(f"no such data file: {', '.join(missing)}; mend DATA")
    edges = imports(modules)
    counted = [module for module in modules if module.path not in set(data)]
    return [
        *_lengths_of_functions(counted),
        *_lengths_of_files(counted),
        *_cycles(modules, edges),
        *_rooms(modules, edges),
        _job_names(modules),
        _transactions(modules),
        *_alert_kinds(modules),
    ]


def load(root: Path) -> list[Module]:
    """Every module of the sources but the migrations. Raises NothingToMeasure."""
    modules = []
    for path in sorted(path for folder in SOURCES for path in (root / folder).rglob("*.py")):
        if path.relative_to(root).is_relative_to(LEFT_OUT):
            continue
        text = path.read_text(encoding="utf-8")
        nodes = tuple(ast.walk(ast.parse(text)))
        modules.append(Module(path.relative_to(root).as_posix(), len(text.splitlines()), nodes))
    for folder in SOURCES:
        _below(modules, folder)
    return modules


def _below(modules: Iterable[Module], folder: str) -> list[Module]:
    found = [module for module in modules if module.within(folder)]
    if not found:
        raise NothingToMeasure(f"no Python file below {folder}")
    return found


# -- lengths


def _lengths_of_functions(modules: Iterable[Module]) -> list[Figure]:
    """Lines from `def` to the last line, docstring and blank lines too; inner functions and methods count."""
    found = sorted(
        (
            ((node.end_lineno or node.lineno) - node.lineno + 1, Place(module.path, node.lineno, node.name))
            for module in modules
            for node in module.nodes
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ),
        key=lambda item: (-item[0], item[1].path, item[1].line),
    )
    if not found:
        raise NothingToMeasure("no function in any file")
    lengths = [length for length, _ in reversed(found)]
    longest = _sized(found, LONGEST_FUNCTION)
    return [
        Figure("function lines, median", _percentile(lengths, 50), longest),
        Figure("function lines, 90 of 100", _percentile(lengths, 90), longest),
        Figure("function lines, longest", lengths[-1], longest),
    ]


def _percentile(ascending: Sequence[int], share: int) -> int:
    """The smallest length that at least `share` per cent do not exceed."""
    return ascending[-(-len(ascending) * share // 100) - 1]


def _lengths_of_files(modules: Iterable[Module]) -> list[Figure]:
    """Lines of a file, all of them."""
    found = sorted(((module.lines, Place(module.path, 1)) for module in modules), key=lambda item: -item[0])
    longest = _sized(found, LONGEST_FILE)
    above = sum(lines > LONGEST_FILE for lines, _ in found)
    return [
        Figure("file lines, longest", found[0][0], longest),
        Figure(f"files above {LONGEST_FILE} lines", above, longest[:above]),
    ]


def _sized(found: Sequence[tuple[int, Place]], aim: int) -> tuple[Place, ...]:
    """The places above the aim, or else the longest, each with its length."""
    named = [Place(place.path, place.line, f"{place.what} ({size} lines)".strip()) for size, place in found]
    return tuple(named[: max(1, sum(size > aim for size, _ in found))])


# -- imports between modules


def imports(modules: Sequence[Module]) -> Edges:
    """For each module, its imports of our modules, with the line, including those for type checking.

    `from package import name` imports the module of that name, or else the package: so a name re-exported by a
    package's `__init__` leads through that `__init__`.
    """
    names = {module.name for module in modules}
    found: dict[str, dict[str, int]] = {}
    for module in modules:
        own = found.setdefault(module.name, {})
        for name, line in _imported(module, names):
            if name in names:
                own.setdefault(name, line)
    if not any(found.values()):
        raise NothingToMeasure("no module imports another")
    return found


def _imported(module: Module, names: set[str]) -> Iterator[tuple[str, int]]:
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in names else base), node.lineno


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    """The module after `from`, without leading dots."""
    if not node.level:
        return node.module or ""
    folders = module.path.split("/")[:-1]
    return ".".join(folders[: len(folders) - node.level + 1] + ([node.module] if node.module else []))


def _cycles(modules: Sequence[Module], edges: Edges) -> list[Figure]:
    """Groups of modules that all reach each other: the strongly connected components."""
    reached = {name: _reach(name, edges) for name in edges}
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in edges
        if name in reached[name]
    }
    paths = {module.name: module.path for module in modules}
    places = []
    for group in sorted(groups, key=lambda members: (-len(members), members)):
        line = next(line for name, line in edges[group[0]].items() if name in group)
        places.append(Place(paths[group[0]], line, f"({len(group)} modules: {' '.join(group)})"))
    return [
        Figure("import cycles", len(groups), tuple(places)),
        Figure("modules in import cycles", sum(map(len, groups)), tuple(places)),
    ]


def _reach(start: str, edges: Edges) -> set[str]:
    reached: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(edges[name])
    return reached


def _rooms(modules: Sequence[Module], edges: Edges) -> list[Figure]:
    """Imports between rooms that the floors forbid, and use cases outside any room."""
    rooms = {module.name: _room(module) for module in _below(modules, USE_CASES)}
    against, homeless = [], []
    for module in _below(modules, USE_CASES):
        room = rooms[module.name]
        if room is None and module.path != f"{USE_CASES}/__init__.py":
            homeless.append(Place(module.path, 1))
        for name, line in edges[module.name].items():
            other = rooms.get(name)
            if room and other and other not in (room, *_may_import(room)):
                against.append(Place(module.path, line, f"({room} imports {other})"))
    return [
        Figure("imports against the floors", len(against), tuple(against)),
        Figure("use cases in no room", len(homeless), tuple(homeless)),
    ]


def _room(module: Module) -> str | None:
    first, _, rest = module.path.removeprefix(f"{USE_CASES}/").partition("/")
    if not rest:
        return TOP if first == TOP else None
    return first if first in FLOORS else None


def _may_import(room: str) -> tuple[str, ...]:
    return tuple(FLOORS) if room == TOP else FLOORS[room]


# -- what is written more than once


def _job_names(modules: Iterable[Module]) -> Figure:
    """String literals outside the table of jobs that are the name of a job or of its scan."""
    places = []
    for module in modules:
        texts = _texts(module.nodes)
        named = module.path.rpartition("/")[2] in NAMING_FILES
        firsts = [call.args[0] for call in _calls(module, NAMING_CALLS) if call.args]
        bare = texts if named else _texts(firsts)
        places += [
            Place(module.path, line, text)
            for (line, column), text in sorted(texts.items())
            if _FULL_NAME.fullmatch(text) or (text in JOBS and (line, column) in bare)
        ]
    outside = tuple(place for place in places if place.path != f"{USE_CASES}/{TOP}")
    if len(outside) == len(places):
        raise NothingToMeasure("no job's name in the table of jobs; mend JOBS")
    return Figure("job names outside their table", len(outside), outside)


def _transactions(modules: Sequence[Module]) -> Figure:
    """Calls of `.transaction()` in the entrances."""
    for folder in ENTRANCES:
        _below(modules, folder)
    found = [(module, call) for module in modules for call in _calls(module, ("transaction",))]
    if not found:
        raise NothingToMeasure("no call of .transaction() in any file")
    places = tuple(Place(module.path, call.lineno) for module, call in found if module.within(*ENTRANCES))
    return Figure("transactions outside use cases", len(places), places)


def _alert_kinds(modules: Iterable[Module]) -> list[Figure]:
    """String literals for the kind in a call of `alerts.open`, `alerts.close` or `alerts.has`."""
    calls = [
        (module, call)
        for module in modules
        for call in _calls(module, ALERT_CALLS)
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value).split(".")[-1] == "alerts"
    ]
    if not calls:
        raise NothingToMeasure("no call of alerts.open() in any file")
    places = [
        Place(module.path, line, text)
        for module, call in calls
        for (line, _), text in sorted(_texts(_kind(call)).items())
    ]
    kinds = {place.what: place for place in reversed(places)}
    return [
        Figure("alert kinds as bare strings", len(kinds), tuple(kinds[kind] for kind in sorted(kinds))),
        Figure("places that write an alert's kind", len(places), tuple(places)),
    ]


def _kind(call: ast.Call) -> list[ast.AST]:
    """The argument for an alert's kind, with its parts."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == "kind"]
    return [node for argument in call.args[:1] + named for node in ast.walk(argument)]


def _texts(nodes: Iterable[ast.AST]) -> dict[tuple[int, int], str]:
    """The string literals among these nodes, by line and column."""
    return {
        (node.lineno, node.col_offset): node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _calls(module: Module, names: Sequence[str]) -> Iterator[ast.Call]:
    """Calls of functions and methods with one of these names."""
    for node in module.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in names:
                yield node


# -- live trips


def traced() -> list[Figure]:
    """Every figure of the live trips, on servers that end with this call."""
    sys.path.insert(0, str(ROOT))
    from tests.support.trips import trips, world_of_its_own  # noqa: PLC0415 - the other figures need no installed library

    with world_of_its_own() as world:
        return trip_figures({name: asdict(trip) for name, trip in trips(world).items()})


def trip_figures(trips: Mapping[str, Mapping[str, int]]) -> list[Figure]:
    """The figures of some trips. Raises NothingToMeasure if a bound names none of them."""
    figures = [
        Figure(f"{trip}{OF_A_TRIP}{of}", value) for trip, values in trips.items() for of, value in values.items()
    ]
    held = {name for name in BOUNDS if OF_A_TRIP in name}
    if missing := sorted(held - {figure.name for figure in figures}):
        raise NothingToMeasure(f"no such trip: {', '.join(missing)}; mend BOUNDS")
    return figures


if __name__ == "__main__":
    sys.exit(main())
