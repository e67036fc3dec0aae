"""What the documents say about the code is in the code, and what the code has is in the documents."""

import ast
import configparser
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from sqlalchemy import CheckConstraint, UniqueConstraint
from typer.main import get_command

from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.adapters.notifier import payload
from billing_worker.cli import checks, checks_of_alerts, checks_of_operation
from billing_worker.cli.commands import COMMANDS, assemble
from billing_worker.cli.import_columns import COLUMNS
from billing_worker.config import Settings, variables
from billing_worker.domain.access import Scope
from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import KEY_TRANSITIONS
from billing_worker.domain.catch_up import policy_of
from billing_worker.domain.declines.reasons import DeclineKind
from billing_worker.domain.events import EventType
from billing_worker.domain.invoice import ATTEMPT_TRANSITIONS, INVOICE_TRANSITIONS
from billing_worker.domain.pgs.table import PGS
from billing_worker.domain.pingback import TABLE, Verdict
from billing_worker.domain.refund import REFUND_TRANSITIONS
from billing_worker.domain.subscription import SUBSCRIPTION_TRANSITIONS
from billing_worker.ports.incoming import InboxStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.usecases.key import expiry
from billing_worker.usecases.key.reactivate import reactivate
from billing_worker.usecases.refund.refund import request_refund
from billing_worker.usecases.subscription import create_plan
from billing_worker.usecases.subscription.replace_key import replace_key
from billing_worker.web import api
from billing_worker.web.errors import MEANINGS, ErrorType, body_of
from billing_worker.web.openapi import new_app
from tests.docs.markdown import DOCUMENTS, ROOT, blocks, commands
from tests.support.world import World

README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
SCHEMA = (ROOT / "docs" / "schema.md").read_text()
MOST_FILES = 7
"""Through so many files the page leads for one charge."""
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
API_PAGE = (ROOT / "docs" / "api.md").read_text()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
EVENTS_PAGE = ROOT / "docs" / "events.md"
EVENTS = EVENTS_PAGE.read_text()
ALL = "\n".join(document.read_text() for document in DOCUMENTS)
SOURCES = [path for folder in ("billing_worker", "tasks") for path in (ROOT / folder).rglob("*.py")]
assert SOURCES, "the checks below read the sources"

VERDICTS = {
    verdict: {after for (before, _), (after, _) in TABLE.items() if before is verdict != after} for verdict in Verdict
}
DECISION_LINES = 40
MAPS = {"0038-what-a-v2-adapter-needs.md": 60}
"""Decisions that list facts for a work to come, each with its largest number of lines."""
FIRST_RESULT_LINES = 15
FORBIDDEN = re.compile(
    r"/w[o]rk/|/r[o]ot/|/home/\w|py[p]i\.o|python[h]osted|np[m]js|registry\.|\bTODO\b|\bTBD\b|\bFIXME\b|[\u2013\u2014]"
)
"""Paths of a developer's machine, hosts of package registries, marks of unfinished work, and untypable dashes."""


def documents() -> list[pytest.param]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCUMENTS]


@pytest.mark.parametrize("document", documents())
def test_internal_links_lead_somewhere(document: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_blocks(document)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        found = (document.parent / name).resolve() if name else document
        assert found.exists(), f"{document.name} links to {target}"
        if found.suffix != ".py":  # a line of a source: the test of the anchors asks what stands there
            assert not anchor or anchor in _anchors(found), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", documents())
def test_nothing_forbidden_is_written(document: Path):
    found = FORBIDDEN.search(document.read_text())
    assert found is None, f"{document.name} has {found[0]!r}"


def test_the_first_result_comes_within_the_first_lines_of_the_readmes():
    for name in ("README.md", "README.ko.md"):
        top = "\n".join((ROOT / name).read_text().splitlines()[:FIRST_RESULT_LINES])
        assert top.index("git clone") < top.index("make demo") < top.index("The books agree")
        assert commands(ROOT / name)[2] == "make test"


def test_the_example_of_the_environment_is_what_its_script_writes():
    script = _script("env_example")
    assert (ROOT / ".env.example").read_text() == script.text(), "python scripts/env_example.py > .env.example"


def test_the_failure_matrix_is_what_its_script_writes():
    """And with it: each row has a test or a reason, and no marker names a row that does not exist."""
    script = _script("failure_matrix")
    assert (ROOT / "docs" / "failure-matrix.md").read_text() == script.text(), "make docs"


def test_the_example_of_the_environment_names_every_setting_once_and_no_secret():
    text = (ROOT / ".env.example").read_text()
    names = re.findall(r"^#?([A-Z_]+)=(.*)$", text, re.MULTILINE)
    compose = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "FLOWER_BASIC_AUTH"}
    assert sorted(name for name, _ in names) == sorted({*variables(), *compose})
    for name, value in names:
        if re.search(r"PASSWORD|SECRET|TOKEN|AUTH|IMP_KEY|_URL$", name) and name != "BILLING_PORTONE_API_URL":
            assert value == "", name


def test_the_import_page_has_every_column_and_its_korean_names():
    page = (ROOT / "docs" / "import.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \| *(yes)?[^|]*\|", page, re.MULTILINE)
    assert [(name, tuple(also.split(", ")), bool(needed)) for name, also, needed in rows] == [
        (column.name, column.also, column.needed) for column in COLUMNS
    ]


def test_every_setting_that_a_document_names_exists():
    named = set(re.findall(r"\bBILLING_[A-Z_]+[A-Z]\b", ALL))
    assert named <= set(variables())


def test_the_documents_name_every_command_and_no_other():
    listed = {command.name for command in COMMANDS}
    named = set(re.findall(r"`(?:[^`\n]* )?billing-worker ([a-z]+(?:-[a-z]+)*)\b", ALL))
    assert named <= listed
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert all(f"`{name}`" in changelog or f"billing-worker {name}`" in changelog for name in listed - {"demo"})


def test_every_subcommand_and_option_that_a_document_names_exists():
    root = get_command(assemble((), everything=True))
    written = re.findall(r"`(?:[^`\n]* )?billing-worker ([a-z][^`\n]*)`", ALL)
    assert len(written) > 50
    assert [text for text in written if not _can_be_run(root, text.split("; ")[0].split())] == []


def _can_be_run(command: Any, words: list[str]) -> bool:
    """Whether these words lead to a command, or stop at a group, and each option is the command's."""
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return words[0] == "…"
        command, *words = command.commands[words[0]], *words[1:]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    passed_on = command.context_settings.get("ignore_unknown_options", False)
    return passed_on or {word.partition("=")[0] for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize(
    ("title", "transitions"),
    [
        ("a billing key", KEY_TRANSITIONS),
        ("a subscription", SUBSCRIPTION_TRANSITIONS),
        ("an invoice", INVOICE_TRANSITIONS),
        ("a payment attempt", ATTEMPT_TRANSITIONS),
        ("a refund", REFUND_TRANSITIONS),
        ("a payment at Paymentwall", VERDICTS),
    ],
)
def test_the_glossary_has_every_state_and_every_way_out(title, transitions):
    heading = "Verdicts on" if transitions is VERDICTS else "States of"
    rows = _table_after(GLOSSARY, f"## {heading} {title}\n")
    told = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in rows}
    assert told == {str(state): {str(to) for to in ways} for state, ways in transitions.items()}


def test_the_glossary_has_the_states_of_the_inbox_and_the_kinds_of_declines():
    rows = _table_after(GLOSSARY, "## States of a notification in the inbox\n")
    assert {row[0].strip("`") for row in rows} == {str(status) for status in InboxStatus}
    assert all(f"`{kind}`" in GLOSSARY for kind in DeclineKind)


def test_the_runbook_has_every_kind_of_alert_that_the_code_opens_and_no_other():
    told = {row[0].strip("`") for row in _table_after(RUNBOOK, "## Alerts\n")}
    assert told == set(AlertKind) == _alert_kinds()


def test_the_table_of_alerts_is_what_its_script_writes():
    assert _script("alert_table").written(RUNBOOK) == RUNBOOK, "make docs"


def test_the_page_on_pgs_is_what_its_script_writes():
    page = (ROOT / "docs" / "pgs.md").read_text()
    assert _script("pg_table").written(page) == page, "make docs"
    assert all(f"### {pg.code}: {pg.korean}\n" in page for pg in PGS.values())


def test_the_runbook_has_every_metric():
    sources = sorted((ROOT / "billing_worker" / "web").glob("metrics*.py"))
    source = "".join(path.read_text() for path in sources)
    names = set(re.findall(r'"(billing_\w+)"', source))
    told = set(re.findall(r"`(billing_\w+)`", RUNBOOK))
    exposed = {name + suffix for name in names for suffix in ("", "_total", "_info")}
    assert told <= exposed
    assert all(told & {name, name + "_total", name + "_info"} for name in names)


def test_the_runbook_has_every_check_of_the_doctor():
    source = "".join(
        Path(str(module.__file__)).read_text() for module in (checks, checks_of_alerts, checks_of_operation)
    )
    names = set(re.findall(r'(?:ok|failed|Finding)\(\s*"([^"]+)"', source))
    names |= {"settings", *checks_of_alerts.CHECKS.values()}
    told = ", ".join(row[0] for row in _table_after(RUNBOOK, "## Reading `doctor`\n")).split(", ")
    assert set(told) == names


def test_the_events_page_has_every_type():
    told = [row[0].strip("`") for row in _table_after(EVENTS, "Ignore unknown types and fields.\n")]
    assert sorted(told) == sorted(map(str, EventType))


def test_the_events_page_has_an_example_of_every_type_with_the_fields_that_it_carries(world: World):
    examples = {body["type"]: body for body in (json.loads(block.text) for block in blocks(EVENTS_PAGE, "json"))}
    assert sorted(examples) == sorted(map(str, EventType))
    tell_everything(world)
    rows = world.rows("SELECT id FROM outbox ORDER BY sequence")
    with world.ports.database.transaction() as uow:
        sent = [json.loads(payload(uow.outbox.get(row["id"]))) for row in rows]
    seen = {body["type"]: body for body in sent}
    # A refund that the gateway refused looks like one that it made.
    seen["refund.failed"] = seen["refund.succeeded"]
    for kind, body in seen.items():
        assert set(examples[kind]) == set(body), kind
        assert set(examples[kind]["data"]) == set(body["data"]), kind
    assert set(examples) == set(seen)
    everything = json.dumps(sent)
    with world.ports.database.transaction() as uow:
        keys = uow.lists.part(Kind.BILLING_KEYS, {}, 50, None).items
        secrets = [key.customer_uid for key in keys] + ["gildong@example.com"]
    assert not [secret for secret in secrets if secret in everything]


def tell_everything(world: World) -> None:
    """What a merchant can live through, so that every type of event is told."""
    plan = world.plan(dunning_days=(1,))
    paid, limited, stolen = (
        world.subscribe(plan=plan, key=world.key(b)) for b in ("ok", "decline-limit", "decline-stolen")
    )
    later = world.subscribe(plan=plan, key=world.key("decline-limit"))
    world.settle()
    world.cancel(later)
    late = world.sandbox.control("/operator/pay", merchant_uid=world.invoice(later).merchant_uid)
    world.webhook(late["imp_uid"], late["merchant_uid"])
    request_refund(world.ports, world.invoice(paid).id, 1000, reason="two days without service")
    expiry.set_expiry(world.ports, paid.billing_key_id, f"{world.clock.now():%Y-%m}")
    world.settle()
    replace_key(world.ports, paid.id, world.key().id)
    world.cancel(paid, at_period_end=True)
    forgiving = create_plan.create_plan(
        world.ports, "F", 1, "KRW", calendar=plan.calendar, catch_up=policy_of("forgive", 90)
    )
    world.subscribe(plan=forgiving)
    world.clock.advance(days=3)
    world.settle()
    world.pingback(later.billing_key_id, "12", goodsid="gold")
    world.pingback(later.billing_key_id, "13", goodsid="gold")
    world.pingback(later.billing_key_id, "14", goodsid="gold")
    world.settle()
    retry_now(world.ports, world.invoice(limited).id)
    reactivate(world.ports, stolen.billing_key_id)
    close_alert(world.ports, world.alerts()[0].id)


def test_the_api_page_has_every_kind_of_problem_and_what_each_means():
    rows = _table_after(API_PAGE, "## Errors\n")
    assert [(row[0].strip("`"), row[2], row[4]) for row in rows] == [
        (str(kind), MEANINGS[kind].title, MEANINGS[kind].way_out) for kind in ErrorType
    ]
    example = json.loads(blocks(ROOT / "docs" / "api.md", "json")[0].text)
    named = example["existing_id"]
    assert example == body_of(
        409, ErrorType.ALREADY_EXISTS, example["detail"], example["request_id"], field="customer", existing_id=named
    )


def test_the_api_page_has_every_list_with_its_filters_and_every_scope():
    app = new_app()
    app.include_router(api.router)
    described = {
        path: [each["name"] for each in operations["get"]["parameters"]]
        for path, operations in app.openapi()["paths"].items()
        if "cursor" in [each["name"] for each in operations.get("get", {}).get("parameters", [])]
    }
    told = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in _table_after(API_PAGE, "## Lists\n")}
    assert told.keys() == described.keys()
    for path, filters in told.items():
        assert sorted([*filters, "limit", "cursor"]) == sorted(described[path]), path
    scopes = _table_after(API_PAGE, "## Tokens and scopes\n")
    assert [row[0].strip("`") for row in scopes] == list(Scope)


def test_the_glossary_has_everything_that_can_be_done():
    told = re.findall(r"`([a-z_.]+)`", "".join(row[1] for row in _table_after(GLOSSARY, "## Actions\n")))
    assert sorted(told) == sorted(Verb)


def test_the_architecture_has_every_constraint_and_every_table():
    names = {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint | CheckConstraint)
    }
    names |= {str(index.name) for table in metadata.tables.values() for index in table.indexes if index.unique}
    assert set(re.findall(r"`((?:uq|ck)_\w+)`", SCHEMA)) == names
    assert all(f"`{table}`" in SCHEMA for table in metadata.tables)


def test_every_file_that_a_document_names_exists():
    for document in DOCUMENTS:
        for name in re.findall(r"`((?:billing_worker|tasks|scripts|tests|benchmarks)/[\w./]+)`", document.read_text()):
            assert (ROOT / name).exists(), f"{document.name} names {name}"


def test_the_architecture_names_every_part_of_the_package():
    parts = [
        path for path in (ROOT / "billing_worker").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    for part in parts:
        if not part.name.startswith("__"):
            assert f"billing_worker/{part.name}" in ARCHITECTURE, part.name


def test_the_decisions_are_short_numbered_and_complete():
    found = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(path.name[:4]) for path in found]
    assert found
    assert numbers == sorted(set(numbers)), "each has a number of its own"
    for path in found:
        text = path.read_text()
        assert len(text.splitlines()) <= MAPS.get(path.name, DECISION_LINES), path.name
        assert text.startswith(f"# {path.name[:4]}. "), path.name
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequence")), path.name


def test_the_examples_for_systemd_and_kubernetes_give_a_charge_time_to_end():
    deadline = Settings.model_fields["http_deadline"].default
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # names of systemd are written with capitals
    unit.read_string(blocks(ROOT / "docs" / "runbook.md", "ini")[0].text)
    assert unit.getint("Service", "TimeoutStopSec") > deadline
    deployment = yaml.safe_load(blocks(ROOT / "docs" / "runbook.md", "yaml")[0].text)
    pod = deployment["spec"]["template"]
    assert pod["spec"]["terminationGracePeriodSeconds"] > deadline
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]
    procfile = (ROOT / "Procfile").read_text()
    assert " ".join(pod["spec"]["containers"][0]["command"]) in procfile
    started = re.findall(r"^(\w+)\) +exec (.*) ;;$", RUNBOOK, re.MULTILINE)
    assert dict(started) == dict(re.findall(r"^(\w+): (.*)$", procfile, re.MULTILINE))


def _alert_kinds() -> set[str]:
    """The first argument of every `alerts.open(…)`, or of a `Trouble` that is opened as an alert.

    One that names no kind cannot be documented.
    """
    kinds = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("alerts.open"):
                named = ast.unparse(node.args[0]).removeprefix("AlertKind.")
                assert named in {*AlertKind.__members__, "trouble.kind"}, f"{path}:{node.lineno}"
                kinds |= {AlertKind[named]} if named in AlertKind.__members__ else set()
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Trouble" and "domain" in path.parts:
                kinds.add(AlertKind[ast.unparse(node.args[0]).removeprefix("AlertKind.")])
    return kinds


def _table_after(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its head."""
    part = text[text.index(heading) + len(heading) :]
    lines = part[part.index("\n|") + 1 :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def _anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _without_blocks(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _without_blocks(document: Path) -> str:
    text = document.read_text()
    for block in blocks(document):
        text = text.replace(block.text, "")
    return text


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_anchors_of_one_charge_lead_to_what_they_name():
    anchors = _script("anchors")
    assert anchors.text() == ARCHITECTURE, "make docs"
    links = list(anchors.LINK.finditer(ARCHITECTURE))
    assert len(links) >= MOST_FILES
    assert len({link["path"] for link in links}) <= MOST_FILES
