"""Every kind of alert can close, and is said in every language; rules name neither commands nor sentences."""

import ast
import re
import string
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from billing_worker.cli.commands import assemble
from billing_worker.domain.alert_rules import RULES, case_of, checked
from billing_worker.domain.alerts import CASE, Action, AlertKind, Closes, Concerns, Fact, Severity, WayOut
from billing_worker.domain.declines.reasons import Advice, Category
from billing_worker.domain.dunning.recovery import Why
from billing_worker.domain.language import Language
from billing_worker.ports.alerts import Alert
from billing_worker.texts import alerts as texts
from billing_worker.texts.catalogue import accepted, catalogue, read_po
from billing_worker.texts.commands import COMMANDS, command_of
from tests.docs.markdown import ROOT

NOW = datetime(2026, 11, 21, tzinfo=UTC)
USE_CASES = ROOT / "billing_worker" / "usecases"
CASES = [(kind, case) for kind, rule in RULES.items() for case in rule.cases]
CLOSED_BY = {
    Language.EN: ("closes by itself", "stays open until you close it"),
    Language.KO: ("스스로 닫", "직접 닫을 때까지"),
}
"""Words of a text for an alert that the worker closes, and for one that an operator closes."""
HANGUL = re.compile(r"[가-힣]")
KEPT_ENGLISH = {
    *("API", "BILLING_ENVIRONMENT", "BILLING_KEY_PENDING_ALERT", "PG", "billing", "worker", "audit", "key", "paid"),
    *("reactivate", "merchant_uid", "uid", "goodsid", "OK", "Gone", "I", "start"),
    *("BILLING_PORTONE_INCLUDE_SANDBOX", "BILLING_EVENTS_URL", "BILLING_WEBHOOK_ALLOWED_IPS"),
    *("BILLING_FOREIGN_READS", "BILLING_PAYMENTWALL_PARAMETERS"),
    *("BILLING_NOTICE_SMTP_URL", "BILLING_NOTICE_URL", "BILLING_SILENT_AFTER", "BILLING_CLAIM"),
    *("BILLING_ALERT_URL", "BILLING_ALERT_MAIL"),
    *("celery", "A", "tasks", "beat", "control", "add_consumer", "cancel_consumer", "QUEUE", "Q"),
    *("docs", "receiver", "md"),
}
"""Names and values that a Korean text quotes as they are."""


def an_alert(kind: AlertKind, case: str) -> Alert:
    facts: dict[str, Fact] = {name: f"«{name}»" for name in RULES[kind].cases[case].facts}
    if case:
        facts[CASE] = case
    return Alert(7, kind, f"«{RULES[kind].concerns}»", checked(kind, facts), NOW)


def test_every_kind_has_a_rule_and_every_action_is_a_way_out_of_some_kind() -> None:
    assert set(RULES) == set(AlertKind)
    of_alerts = {action for rule in RULES.values() for action in rule.actions}
    explains = "".join((USE_CASES / "reading" / f"{name}.py").read_text() for name in ("teller", "invoice_state"))
    assert all(f"Action.{action.name}" in explains for action in set(Action) - of_alerts)


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_that_opens_can_close_as_its_rule_says(kind: AlertKind) -> None:
    assert kind in named_in("open"), "no code opens it"
    closed_by_code = kind in named_in("close") | closed_in_sql()
    assert closed_by_code == (RULES[kind].closes is not Closes.OPERATOR)
    if RULES[kind].closes is Closes.OPERATOR:
        assert Action.CLOSE_ALERT in RULES[kind].actions
    if RULES[kind].closes is Closes.ACTION:
        assert set(RULES[kind].actions) & set(COMMANDS)


@pytest.mark.parametrize("kind", AlertKind)
def test_each_language_says_who_closes_it_as_the_rule_does(kind: AlertKind) -> None:
    by_itself = RULES[kind].closes is not Closes.OPERATOR
    for language, (itself, operator) in CLOSED_BY.items():
        said = texts.text(f"alert.{kind}.closes", language)
        assert (itself in said, operator in said) == (by_itself, not by_itself), said


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(("kind", "case"), CASES)
def test_every_case_is_said_with_its_facts(kind: AlertKind, case: str, language: Language) -> None:
    words = texts.shown(an_alert(kind, case), language)
    assert words.title
    assert words.proposal
    assert [each.action for each in words.actions] == list(RULES[kind].cases[case].actions)
    assert not re.search(r"[{}]", words.detail + words.proposal)
    missing = [name for name in RULES[kind].cases[case].facts if f"«{name}»" not in words.detail + words.proposal]
    assert missing == []


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_a_fact_that_is_not_known_is_said_as_such(kind: AlertKind, case: str) -> None:
    known = {**an_alert(kind, case).facts}  # type: ignore[dict-item]
    facts = {name: fact if name == CASE else None for name, fact in known.items()}
    for language in Language:
        words = texts.shown(Alert(7, kind, "subject", checked(kind, facts), NOW), language)
        assert "None" not in words.detail + (words.proposal or "")


def needed_for_alerts() -> set[str]:
    """The names of all texts about alerts, declines and messages."""
    needed = {name for kind in AlertKind for name in texts.names_of(kind)}
    needed |= {f"action.{action}" for action in Action} | {"none", "none.key"}
    needed |= {f"decline.{category}" for category in Category} | {f"advice.{advice}" for advice in Advice}
    needed |= {f"recovery.{why}" for why in Why} | {f"severity.{severity}" for severity in Severity}
    needed |= {f"alert_message.{name}" for name in ("alert", "more", "closed", "passed", "list")}
    needed |= {f"alert_message.title.{name}" for name in ("one", "many", "closed")}
    return needed


def test_both_languages_name_the_same_facts() -> None:
    english, korean = (catalogue(language).texts for language in Language)
    for name in needed_for_alerts():
        text = english[name]
        if ".help" not in name and ".closes" not in name:
            assert fields(text) >= fields(korean[name]), name


def test_the_korean_texts_are_korean_and_polite() -> None:
    korean = catalogue(Language.KO).texts
    for name, text in ((name, korean[name]) for name in needed_for_alerts()):
        assert HANGUL.search(text), name
        prose = re.sub(r"\{\w+\}|--\w+", "", text)
        words = set(re.findall(r"[A-Za-z_]+", prose)) - KEPT_ENGLISH
        assert words == set(), name
        if ".detail" in name or ".help" in name or ".closes" in name:
            assert re.search(r"(니다|십시오)[.:(]|없음|유형", text), name
            assert text.endswith((".", "}")), name
        assert "결제사" not in text, f"{name}: operators read PG사"
        if name.startswith("action."):
            assert re.search(r"(십시오|합니다|됩니다|있습니다)(\([^)]*\))?$", text), name


def test_a_kind_without_a_text_fails() -> None:
    with pytest.raises(KeyError, match=r"alert\.planted\.title"):
        texts.text("alert.planted.title", Language.KO)


def test_an_alert_that_says_too_much_or_too_little_is_a_mistake() -> None:
    for facts in ({}, {"reason": "r", "order": "o", "card": "4111"}, {CASE: "new", "reason": "r", "order": "o"}):
        with pytest.raises(AssertionError, match="an alert unknown says"):
            checked(AlertKind.UNKNOWN, facts)
    with pytest.raises(KeyError):
        case_of(AlertKind.TAKEN_BACK, {CASE: "never"})


def test_an_alert_of_an_earlier_release_says_what_that_release_wrote() -> None:
    old = Alert(1, "retired_kind", "inv_1", None, NOW, "what was written", "what was proposed")
    words = texts.shown(old, Language.KO)
    assert (words.title, words.detail, words.proposal) == ("retired_kind", "what was written", "what was proposed")
    known = Alert(1, "mismatch", "att_1", None, NOW, "what was written")
    assert texts.shown(known, Language.KO).detail == "what was written"
    assert texts.action_lines(words.actions, words.proposal) == ["what was proposed"]


@pytest.mark.parametrize("action", COMMANDS)
def test_every_command_is_one_that_there_is(action: Action) -> None:
    known = {name.value: f"{name}_1" for name in Concerns} | {"alert": "1"}
    command = command_of(WayOut(action, known))
    assert command is not None
    found = get_command(assemble((), everything=True))
    for word in command.removeprefix("billing-worker ").split():
        commands = getattr(found, "commands", None)
        if commands is None or word.startswith("-"):
            break
        found = commands[word]
    options = {name for parameter in found.params for name in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", command)) <= options


def test_a_command_names_what_its_reader_has_to_fill_in() -> None:
    assert command_of(WayOut(Action.RETRY_INVOICE)) == "billing-worker invoice retry INVOICE_ID"
    assert command_of(WayOut(Action.LOOK_UP_IN_CONSOLE)) is None
    way = WayOut(Action.ADD_CONSUMER, {"queue": "charges"})
    assert command_of(way) == "celery -A tasks control add_consumer charges"
    way = WayOut(Action.SET_KEY_EMAIL, {"key": "key_1"})
    assert command_of(way) == "billing-worker key set-email key_1 --email ADDRESS"


def test_no_use_case_names_a_command_of_ours() -> None:
    sources = sorted(USE_CASES.rglob("*.py"))
    assert sources
    for path in sources:
        texts_in = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
        assert not [text for text in texts_in if isinstance(text, str) and "billing-worker" in text], path


def test_what_a_use_case_says_in_an_alert_are_facts() -> None:
    """Each fact is a name, a number, a value of something, or a time: no literal sentence."""
    for path in sorted(USE_CASES.rglob("*.py")):
        for call in calls_of(path, "open"):
            literals = [n.value for n in ast.walk(call) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            assert not [text for text in literals if len(text.split()) > 2], f"{path}:{call.lineno}"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en;q=0.5, ko;q=0.9", "ko"),
        ("fr, de;q=0.9", "en"),
        ("ko;q=0", "en"),
        ("ko;q=x", "en"),
        ("*", "en"),
    ],
)
def test_the_reader_s_language_is_what_the_header_likes_best(header: str | None, language: str) -> None:
    assert accepted(header, Language.EN) == language
    assert accepted("fr", Language.KO) == "ko"


def test_a_catalogue_that_cannot_be_read_is_refused() -> None:
    assert read_po('# a\nmsgid "a"\nmsgstr "b "\n"c"\n') == {"a": "b c"}
    for wrong in ('msgctxt "x"\n', "msgid a\n", 'msgid "a"\nmsgstr "b"\nmsgid "a"\nmsgstr "c"\n'):
        with pytest.raises(ValueError, match="line"):
            read_po(wrong)


@cache
def named_in(method: str) -> set[AlertKind]:
    """Kinds that the use cases name in calls of `alerts.open` or `alerts.close`."""
    calls = [call for path in USE_CASES.rglob("*.py") for call in calls_of(path, method)]
    named = {ast.unparse(call.args[0]) for call in calls}
    assert {"trouble.kind", "AlertKind(kind)"} & named
    literal = {AlertKind[name.removeprefix("AlertKind.")] for name in named - {"trouble.kind", "AlertKind(kind)"}}
    return literal | of_troubles()


def of_troubles() -> set[AlertKind]:
    """Kinds of the troubles that a look at the processes finds; one use case opens and closes all of them."""
    tree = ast.parse((ROOT / "billing_worker" / "domain" / "operation.py").read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "Trouble"]
    return {AlertKind[ast.unparse(call.args[0]).removeprefix("AlertKind.")] for call in calls}


def calls_of(path: Path, method: str) -> list[ast.Call]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func).endswith(f"alerts.{method}")]


@cache
def closed_in_sql() -> set[AlertKind]:
    """Kinds that statements of the database's adapter name in an UPDATE that closes alerts."""
    found: set[AlertKind] = set()
    for path in (ROOT / "billing_worker" / "adapters" / "database").glob("*.py"):
        for statement in re.findall(r'UPDATE alerts SET closed_at.*?"""', path.read_text(), re.DOTALL):
            found |= {kind for kind in AlertKind if f"'{kind}'" in statement}
    return found


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
