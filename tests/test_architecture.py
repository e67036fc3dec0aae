"""The house keeps its shape: who may import whom, one owner for each outside library, and small functions."""

import ast
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from billing_worker.domain.language import Language
from billing_worker.texts.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[1]
LONGEST_FUNCTION = 50
LONGEST_TASK_BODY = 5
FEWEST_WORDS = 5

OWNERS = {
    "celery": ("tasks",),
    "kombu": ("tasks",),
    "sqlalchemy": ("billing_worker/adapters/database", "billing_worker/bootstrap.py", "tasks/process.py"),
    "alembic": ("billing_worker/adapters/database",),
    "psycopg": ("billing_worker/adapters/database",),
    "httpx": ("billing_worker/adapters", "billing_worker/sandbox", "billing_worker/demo"),
    "httpcore": ("billing_worker/adapters", "billing_worker/sandbox"),
    "fastapi": ("billing_worker/web", "billing_worker/sandbox"),
    "starlette": ("billing_worker/web", "billing_worker/sandbox"),
    "uvicorn": ("billing_worker/web", "billing_worker/sandbox"),
    "croniter": ("billing_worker/domain/calendar.py", "billing_worker/domain/dunning/steps.py"),
    "holidays": ("billing_worker/domain/dunning/days.py",),
    "jinja2": ("billing_worker/texts/notices",),
    "greenlet": ("billing_worker/simulation",),
    "standardwebhooks": ("billing_worker/adapters",),
    "simplejson": ("billing_worker/adapters", "billing_worker/sandbox"),
    "typer": ("billing_worker/cli",),
    "rich": ("billing_worker/cli", "billing_worker/demo"),
    "pydantic_settings": ("billing_worker/config",),
    "prometheus_client": ("billing_worker/web",),
}
"""Where each library may be imported: a new place is a decision, not an accident."""

TYPES_ONLY = {"billing_worker/bootstrap.py": {"Engine"}, "tasks/process.py": {"Engine"}}
"""Modules that hand a library's value on and may name its type, and nothing else of it."""

READERS_OF_THE_ENVIRONMENT = (
    "billing_worker/config",
    "billing_worker/runtime",
    "billing_worker/sandbox/command.py",
    "billing_worker/cli/main.py",  # shell completion, set by the shell
    "billing_worker/cli/output.py",  # the terminal's width
    "billing_worker/cli/stack.py",  # hands it on to child processes
    "billing_worker/demo/run.py",  # clears it, so that the demonstration meets no real gateway
)

ENVIRONMENT = {"environ", "getenv", "environb"}

UNPREDICTABLE = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "monotonic", "perf_counter", "sleep"},
    "uuid": {"uuid1", "uuid4"},
    "os": {"urandom", "environ", "getenv"},
}
UNPREDICTABLE_MODULES = {"random", "secrets", "uuid", "socket", "threading", "subprocess", "time"}

MONEY = (
    *(f"billing_worker/domain/{name}.py" for name in ("money", "plan", "invoice", "payment", "settlement", "refund")),
    *(f"billing_worker/domain/{name}.py" for name in ("budget", "comparing", "runaway")),
    *(f"billing_worker/usecases/{room}" for room in ("charge", "settle", "refund", "subscription", "key")),
    "billing_worker/adapters/portone/requests.py",
)
"""Where sums are decided, compared and sent. The parser of answers is apart: its test has amounts in every form."""

STANDARD_LIBRARY = {
    "billing_worker/domain": {"croniter", "holidays"},
    "billing_worker/ports": set[str](),
    "billing_worker/texts": {"jinja2"},
    "billing_worker/usecases": set[str](),
    "billing_worker/runtime": set[str](),
}
"""Folders that need the standard library alone, each with its exceptions."""

PROSE = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
"""Tokens with words for a reader. Since Python 3.12 the text of an f-string is a token of its own."""

ROOMS = [path.parent.name for path in (ROOT / "billing_worker" / "usecases").glob("*/__init__.py")]

DELAYS = ("eta", "countdown")

BOTH_CLOCKS = {"now", "real_now"}
MOMENTS = 40
"""Signatures that have a moment, at the least: with fewer the rule about both clocks looks at nothing."""


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Every module below these folders (or these files), by its path. A place without one is a mistake in the check."""
    for folder in folders:
        place = ROOT / folder
        found = [place] if place.is_file() else sorted(place.rglob("*.py"))
        assert found, f"a check reads {folder}, and no module is there"
        for path in found:
            yield path.relative_to(ROOT).as_posix(), parsed(path)


@cache
def parsed(path: Path) -> ast.Module:
    """Each file is parsed once; no rule changes a tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(tree: ast.Module) -> list[tuple[str, set[str], int]]:
    """Each imported module, the names taken from it, and the line."""
    found: list[tuple[str, set[str], int]] = []
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, set(), node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append((node.module, {alias.name for alias in node.names}, node.lineno))
    return found


@cache
def nodes(tree: ast.AST) -> list[ast.AST]:
    """Every node of a module, found once."""
    return list(ast.walk(tree))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function, methods and inner ones too."""
    return (node for node in nodes(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def within(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(place + "/") for place in places)


def named_places() -> set[str]:
    """Every path that the tables of this file name."""
    owned = {place for places in OWNERS.values() for place in places}
    return owned | set(TYPES_ONLY) | set(READERS_OF_THE_ENVIRONMENT)


@pytest.mark.parametrize("place", sorted(named_places()))
def test_each_place_that_a_rule_names_is_there(place: str) -> None:
    """A rule about a file that is gone checks nothing, and says so here."""
    assert list(sources(place))


def test_a_rule_about_a_place_without_modules_fails() -> None:
    with pytest.raises(AssertionError, match=r"billing_worker/gone\.py"):
        list(sources("billing_worker/gone.py"))


def test_imports_go_down_only() -> None:
    """The contracts are in .importlinter."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    found = subprocess.run(
        [*command, "--config", ".importlinter", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("library", OWNERS)
def test_an_outside_library_is_imported_by_its_owner_only(library: str) -> None:
    strangers = [
        f"{path}:{line}"
        for path, tree in sources("billing_worker", "tasks")
        for module, names, line in imported(tree)
        if (module.split(".")[0] == library and not within(path, OWNERS[library]))
        or (module.split(".")[0] == library and path in TYPES_ONLY and not names <= TYPES_ONLY[path])
    ]
    assert strangers == []


@pytest.mark.parametrize("folder", STANDARD_LIBRARY)
def test_the_rules_and_the_runtime_need_the_standard_library_alone(folder: str) -> None:
    allowed = {*sys.stdlib_module_names, *STANDARD_LIBRARY[folder], "billing_worker"}
    strangers = [
        f"{path}:{line} {module}"
        for path, tree in sources(folder)
        for module, _, line in imported(tree)
        if module.split(".")[0] not in allowed
    ]
    assert strangers == []


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        f"{path}:{node.lineno}"
        for path, tree in sources("billing_worker", "tasks")
        for node in nodes(tree)
        if (isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT)
        or (isinstance(node, ast.ImportFrom) and {alias.name for alias in node.names} & ENVIRONMENT)
        if not within(path, READERS_OF_THE_ENVIRONMENT)
    ]
    assert readers == []


def test_time_and_chance_enter_the_rules_as_arguments_only() -> None:
    found = []
    for path, tree in sources("billing_worker/domain", "billing_worker/usecases", "billing_worker/ports"):
        for node in nodes(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                if node.attr in UNPREDICTABLE.get(owner, set()):
                    found.append(f"{path}:{node.lineno} {owner}.{node.attr}")
        found += [
            f"{path}:{line} {module}"
            for module, names, line in imported(tree)
            if module in UNPREDICTABLE_MODULES or names & UNPREDICTABLE.get(module, set())
        ]
    assert found == []


def signatures(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """The names that each function takes and each class has as fields, with the line."""
    for node in nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            taken = node.args
            yield node.lineno, {each.arg for each in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)}
        elif isinstance(node, ast.ClassDef):
            fields = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
            yield node.lineno, {each.id for each in fields if isinstance(each, ast.Name)}


def test_both_clocks_travel_as_one_moment() -> None:
    """Two times in a row could be swapped, and nothing would notice."""
    found = [(f"{path}:{line}", names) for path, tree in sources("billing_worker") for line, names in signatures(tree)]
    assert sum("moment" in names for _, names in found) >= MOMENTS
    assert [place for place, names in found if names >= BOTH_CLOCKS] == []


@pytest.mark.parametrize(
    "written",
    [
        "def announce(uow, now: datetime, real_now: datetime): ...",
        "async def announce(uow, now, *, real_now): ...",
        "class Window:\n    def claim(self, real_now, /, now): ...",
        "class Window:\n    now: datetime\n    real_now: datetime",
        "claim = lambda now, real_now: now",
    ],
)
def test_two_clocks_beside_each_other_are_seen(written: str) -> None:
    assert any(names >= BOTH_CLOCKS for _, names in signatures(ast.parse(written)))


@pytest.mark.parametrize(
    ("method", "rooms"),
    [
        ("gateway.charge", {"charge"}),
        ("calls.place", {"charge"}),
        ("gateway.cancel", {"refund"}),
        ("gateway.issue_key", {"entry"}),
        ("gateway.delete_key", {"entry"}),
        ("uow.commit", {*ROOMS} - {"reading"}),
    ],
)
def test_each_room_calls_what_its_description_permits(method: str, rooms: set[str]) -> None:
    called = {
        path.split("/")[2]
        for path, tree in sources("billing_worker/usecases")
        for node in nodes(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(method)
    }
    assert called, "the check would read nothing"
    assert called <= rooms


def test_three_rooms_never_use_the_gateway() -> None:
    folders = [f"billing_worker/usecases/{room}" for room in ("control", "outgoing", "subscription")]
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources(*folders)
        for node in nodes(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(("ports.gateway", "ports.calls"))
    ]
    assert found == []


@pytest.mark.fm("L19")
def test_no_float_is_on_the_way_of_money() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources(*MONEY)
        for node in nodes(tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
    ]
    assert found == []


def test_the_sandbox_imports_nothing_of_ours_but_itself() -> None:
    strangers = [
        f"{path}:{line} {module}"
        for path, tree in sources("billing_worker/sandbox")
        for module, _, line in imported(tree)
        if module.split(".")[0] in ("billing_worker", "tasks") and not module.startswith("billing_worker.sandbox")
    ]
    assert strangers == []


def test_the_sandbox_is_reached_by_its_public_names_only() -> None:
    public = {"billing_worker.sandbox", "billing_worker.sandbox.command"}
    strangers = [
        f"{path}:{line} {module}"
        for path, tree in sources("billing_worker", "tasks")
        for module, _, line in imported(tree)
        if module.startswith("billing_worker.sandbox.")
        and module not in public
        and not path.startswith("billing_worker/sandbox/")
    ]
    assert strangers == []


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """Lines of the body that hold code: no docstring, no comment, no empty line."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    inner = lines[body[0].lineno - 1 : body[-1].end_lineno] if body else []
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in inner)


def test_no_function_is_longer_than_fifty_lines_of_code() -> None:
    long = []
    for path, tree in sources("billing_worker", "tasks"):
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        for function in functions(tree):
            length = lines_of_code(function, lines)
            table = function.name == "_table" and path == "billing_worker/sandbox/world/behaviours.py"
            if length > LONGEST_FUNCTION and not table and "/migrations/" not in path:
                long.append(f"{path}:{function.lineno} {function.name} has {length} lines")
    assert long == []


def tasks_of_celery() -> dict[str, ast.FunctionDef]:
    """The functions that become tasks: those inside the two that make a task of a job."""
    (jobs,) = sources("tasks/jobs.py")
    makers = [node for node in jobs[1].body if isinstance(node, ast.FunctionDef) and node.name in ("scanner", "server")]
    return {inner.name: inner for maker in makers for inner in maker.body if isinstance(inner, ast.FunctionDef)}


def test_a_task_body_is_at_most_five_lines() -> None:
    assert set(tasks_of_celery()) == {"scan", "unit"}
    for task in tasks_of_celery().values():
        lines = (task.body[-1].end_lineno or 0) - task.body[0].lineno + 1
        assert lines <= LONGEST_TASK_BODY, f"{task.name} has {lines} lines"


@pytest.mark.fm("B14")
def test_every_task_takes_ids_and_nothing_else() -> None:
    taken = {name: [argument.arg for argument in task.args.args] for name, task in tasks_of_celery().items()}
    assert taken == {"scan": [], "unit": ["self", "idents"]}


def test_nothing_near_money_is_scheduled_by_celery() -> None:
    """No ETA and no countdown: a delayed message is lost with Redis, a date in the database is not."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources("tasks", "billing_worker")
        for node in nodes(tree)
        if (isinstance(node, ast.keyword) and node.arg in DELAYS)
        or (isinstance(node, ast.Constant) and node.value in DELAYS)
    ]
    assert found == []


@pytest.mark.fm("C4")
def test_no_request_to_a_gateway_goes_without_checking_its_certificate() -> None:
    found = [
        f"{path}:{node.value.lineno}"
        for path, tree in sources("billing_worker", "tasks")
        for node in nodes(tree)
        if isinstance(node, ast.keyword)
        and node.arg == "verify"
        and isinstance(node.value, ast.Constant)
        and node.value.value is False
    ]
    assert found == []


def test_what_proves_a_sender_is_compared_in_constant_time() -> None:
    """With == the time of an answer tells how much of a guess is right."""
    proofs = {"signature", "expected", "token", "sig", "digest", "secret", "_bearer"}
    for path, tree in sources("billing_worker/adapters/paymentwall/pingback.py", "billing_worker/web/security.py"):
        called = [ast.unparse(node.func) for node in nodes(tree) if isinstance(node, ast.Call)]
        assert any(name.endswith("compare_digest") for name in called), path
        compared = [
            f"{path}:{node.lineno} {ast.unparse(node)}"
            for node in nodes(tree)
            if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
            for side in (node.left, *node.comparators)
            for part in ast.walk(side)
            if {getattr(part, "id", None), getattr(part, "attr", None)} & proofs
        ]
        assert compared == []


@cache
@cache
def forbidden_words() -> list[tuple[str, frozenset[str]]]:
    """Each word that the glossary forbids, with the kinds of names that may not have it."""
    table = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").split("## Words that the code does not use")[1]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) >= 5
    return [
        (word, frozenset(kinds.strip().split(", ")))
        for words, kinds in rows
        for word in re.findall(r"`([\w ]+)`", words)
    ]


def names(kind: str) -> Iterator[tuple[str, str]]:
    """Every name of this kind, with its place: packages too, and methods, inner and private functions."""
    for path, tree in sources("billing_worker", "tasks"):
        if kind == "module":
            yield Path(path.removesuffix("/__init__.py")).stem, path
            continue
        named = ast.ClassDef if kind == "class" else ast.FunctionDef | ast.AsyncFunctionDef
        for node in nodes(tree):
            if isinstance(node, named):
                yield node.name, f"{path}:{node.lineno}"


@cache
def parts(name: str) -> set[str]:
    """The words that a name is made of."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}


@pytest.mark.parametrize("kind", ["class", "module", "function"])
def test_no_name_has_a_word_that_the_glossary_forbids(kind: str) -> None:
    found = list(names(kind))
    assert len(found) > 100
    wrong = [
        f"{place} {name}: not {word}"
        for word, kinds in forbidden_words()
        for name, place in found
        if (kind in kinds and word in parts(name)) or (f"{kind} (by itself)" in kinds and word == name.lower())
    ]
    assert wrong == []


def prose_of_sources() -> Iterator[tuple[str, str]]:
    """Every comment, docstring and message of the sources, with its place. A released migration never changes."""
    for path, _ in sources("billing_worker", "tasks"):
        if "/migrations/versions/" in path:
            continue
        with (ROOT / path).open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type in PROSE and " " in token.string:
                    yield token.string, f"{path}:{token.start[0]}"


def prose_of_the_catalogue() -> Iterator[tuple[str, str]]:
    """Every English text for an operator, with its name."""
    yield from ((text, name) for name, text in catalogue(Language.EN).texts.items())


def prose_of_documents() -> Iterator[tuple[str, str]]:
    """Every line of the documents outside code blocks, with its place."""
    pages = [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ]
    for page in sorted(pages):
        text = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), page.read_text("utf-8"), flags=re.DOTALL)
        for number, line in enumerate(text.splitlines(), start=1):
            yield line, f"{page.relative_to(ROOT)}:{number}"


def unwanted(text: str) -> list[str]:
    """The words in a text that the glossary forbids in prose; a name in backticks is no prose."""
    plain = re.sub(r"`[^`]*`", "", text)
    return [word for word, pattern in forbidden_in_prose() if pattern.search(plain)]


@cache
def forbidden_in_prose() -> list[tuple[str, re.Pattern[str]]]:
    words = [word for word, kinds in forbidden_words() if "prose" in kinds]
    assert len(words) >= FEWEST_WORDS
    return [(word, re.compile(rf"\b{word}\b", re.IGNORECASE)) for word in words]


@pytest.mark.parametrize(
    ("prose", "least"), [(prose_of_sources, 1000), (prose_of_the_catalogue, 150), (prose_of_documents, 1000)]
)
def test_no_prose_has_a_word_that_the_glossary_forbids(
    prose: Callable[[], Iterator[tuple[str, str]]], least: int
) -> None:
    found = list(prose())
    assert len(found) > least, "the check would read nothing"
    assert [f"{place}: {word}" for text, place in found for word in unwanted(text)] == []


def test_a_forbidden_word_is_found_in_prose_and_not_in_a_name() -> None:
    assert unwanted("Nobody reads it, and somebody\nwrites it anew.") == ["nobody", "somebody", "anew"]
    assert unwanted("the account `nobody`, a personal note") == []
