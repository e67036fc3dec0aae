"""Every sentence of `why`, `report`, alerts and `doctor` is in the catalogue, in both languages, and is used."""

import ast
import dataclasses
import re
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import pytest

from billing_worker.cli import alert, checks_of_alerts, doctor, report
from billing_worker.cli.checks_of_operation import CHECKS
from billing_worker.cli.finding import Verdict
from billing_worker.domain import pingback
from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import KeyStatus, KeyWait
from billing_worker.domain.calendar import AnchoredCalendar, BillingCalendar, CronCalendar, Unit
from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.language import Language
from billing_worker.domain.notices.notice import Channel, NoticeKind, NoticeStatus
from billing_worker.domain.refund import RefundCause, RefundStatus
from billing_worker.domain.schedule import ScheduleStatus
from billing_worker.domain.stop import StopCause
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.ports.alerts import Alert
from billing_worker.texts import alerts, words
from billing_worker.texts.catalogue import catalogue
from billing_worker.texts.words import Words
from billing_worker.usecases.reading.views.control import AlertDetail
from billing_worker.usecases.reading.views.evidence import EvidenceView
from billing_worker.usecases.reading.views.insight import StandingView
from tests.docs.markdown import ROOT
from tests.support.languages import HANGUL
from tests.texts.test_alerts_in_words import fields, needed_for_alerts

EN, KO = Words(Language.EN), Words(Language.KO)
LISTS: tuple[type[StrEnum], ...] = (
    *(Verdict, pingback.Verdict, Verb, KeyStatus, Category, AttemptStatus, InvoiceStatus, Channel, NoticeKind),
    *(RefundCause, RefundStatus, ScheduleStatus, StopCause, SubscriptionStatus),
)
CLOSED_NOTICES = set(NoticeStatus) - {NoticeStatus.PENDING}
OURS = (
    *("why.", "doctor.", "report.", "column.", "check.", "calendar.", "reason."),
    *("alert.none_", "alert.is_", "alert.evidence"),
)
SPEAKERS = [
    *sorted((ROOT / "billing_worker" / "usecases" / "reading").rglob("*.py")),
    *sorted((ROOT / "billing_worker" / "cli").glob("*.py")),
    ROOT / "billing_worker" / "texts" / "words.py",
]
SAME_IN_BOTH = {
    *("check.API", "check.Flower", "check.beat", "column.pg", "doctor.gateway.trouble", "calendar.cron"),
    *(
        "why.subscription.plan",
        "why.notice.what",
    ),
}
"""Names, and frames around values."""
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def texts_of(language: Language, *beginnings: str) -> dict[str, str]:
    return {name: text for name, text in catalogue(language).texts.items() if name.startswith(beginnings)}


def names_in(path: Path) -> list[str]:
    """Names of texts in a module, as patterns: what an f-string fills in is open."""
    found, nodes = [], list(ast.walk(ast.parse(path.read_text())))
    parts_of_others = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if node in parts_of_others:
            continue
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        if not all(isinstance(part, ast.FormattedValue | ast.Constant) for part in parts):
            continue
        open_ = [re.escape(str(p.value)) if isinstance(p, ast.Constant) else r"[\w.]+" for p in parts]
        pattern = "".join(open_)
        if re.match(r"(why|doctor|report|column|check|calendar|alert)\\\.[\w\[\\]", pattern):
            found.append(pattern)
    return found


def needed_beside_alerts() -> set[str]:
    """The names of all texts that are not about alerts, declines and messages."""
    return {name for name in catalogue(Language.EN).texts if name.startswith(OURS)} | {
        *(words.name_of(value) for kind in LISTS for value in kind),
        *(words.name_of(value) for value in CLOSED_NOTICES),
    }


def test_both_languages_have_the_same_texts_and_no_other_than_are_used() -> None:
    for language in Language:
        assert set(catalogue(language).texts) == needed_for_alerts() | needed_beside_alerts(), language
        assert all(catalogue(language).texts.values()), language


def test_every_name_in_the_code_has_a_text_and_every_text_has_a_place_in_the_code() -> None:
    patterns = [pattern for path in SPEAKERS for pattern in names_in(path)]
    assert len(patterns) > 100
    names = texts_of(Language.EN, *OURS)
    nowhere = [name for name in names if not any(re.fullmatch(each, name) for each in patterns)]
    assert [name for name in nowhere if not name.startswith("reason.")] == []
    assert [
        each for each in patterns if not any(re.fullmatch(each, name) for name in catalogue(Language.EN).texts)
    ] == []


@pytest.mark.parametrize("kind", LISTS)
def test_every_value_of_a_closed_list_has_a_word(kind: type[StrEnum]) -> None:
    for value in kind:
        assert HANGUL.search(KO.of(value)), value
        assert EN.of(value)


def test_what_a_key_lacks_has_a_sentence_for_every_case() -> None:
    for wait in KeyWait:
        assert HANGUL.search(KO.say(f"why.key_lacks.{wait}"))


def test_every_column_that_is_shown_has_a_title() -> None:
    shown = {each.name for view in (StandingView, AlertDetail, EvidenceView) for each in dataclasses.fields(view)}
    shown |= {*report.MONTHS, *report.OUTCOMES, *report.ALERTS, *alert.COLUMNS, *doctor.COLUMNS, "closed_at"}
    shown -= {"actions", "facts", "evidence"}  # shown as lines, or not in text
    titles = {name.removeprefix("column.") for name in texts_of(Language.KO, "column.")}
    assert titles == shown
    checks = {name.removeprefix("check.") for name in texts_of(Language.KO, "check.")}
    named = "".join(path.read_text() for path in SPEAKERS if path.parent.name == "cli")
    found = re.findall(r'(?:ok|failed|Finding)\(\s*"([^"]+)"', named)
    assert {name.replace(" ", "_") for name in (*found, *CHECKS.values(), *checks_of_alerts.CHECKS.values())} == checks


def test_both_languages_have_the_same_placeholders() -> None:
    korean = texts_of(Language.KO, *OURS)
    assert len(korean) > 200
    for name, text in texts_of(Language.EN, *OURS).items():
        assert fields(text) == fields(korean[name]), name


def test_no_korean_text_is_english() -> None:
    for name, text in texts_of(Language.KO, *OURS).items():
        assert HANGUL.search(text) or name in SAME_IN_BOTH, name
    assert {name for name in SAME_IN_BOTH if HANGUL.search(catalogue(Language.KO).texts[name])} == set()


@pytest.mark.parametrize("words", [EN, KO])
def test_a_command_is_named_as_it_is_typed(words: Words) -> None:
    """With the program's name, and without a word in capitals that stands for what the reader knows already."""
    said = catalogue(words.language).texts
    bare = re.compile(r"(?<!billing-worker )\b(breaker (claim|clear|trip)|catch-up apply|db upgrade|key delete)\b")
    assert [name for name, text in said.items() if bare.search(text)] == []
    assert [name for name, text in said.items() if "add_consumer" in text] == [], "its queue is known"
    for command in ("billing-worker reconcile; ", "billing-worker breaker claim --yes"):
        assert command in words.say("doctor.environment.way")


def test_korean_sentences_end_politely_and_speak_of_payments_and_not_of_claims() -> None:
    for name, text in catalogue(Language.KO).texts.items():
        assert "청구" not in text, name
        if name.startswith("why.") and text.endswith("."):
            assert re.search(r"(니다|십시오)(\([^)]*\))?\.$|: \{\w+\}\.$|\{stop\}\.$", text), name


@pytest.mark.parametrize(
    "calendar", [*(AnchoredCalendar(unit, count) for unit in Unit for count in (1, 3)), CronCalendar("0 9 L * *")]
)
def test_a_calendar_is_said_in_words(calendar: BillingCalendar) -> None:
    assert EN.calendar(calendar) == str(calendar)
    assert HANGUL.search(KO.calendar(calendar)) or isinstance(calendar, CronCalendar)


def test_a_reason_that_this_worker_wrote_is_translated_and_any_other_is_quoted() -> None:
    assert KO.reason("not sent: no access token: x") == "보내지 않음: 액세스 토큰을 받지 못함: x"
    assert KO.reason("no answer: HTTP 401: the gateway does not accept our key").startswith("응답 없음: HTTP 401: ")
    for quoted in ("한도초과", "Lost card", "paid twice over", "not sentient: x", "{rest}"):
        assert KO.reason(quoted) == quoted
    assert EN.reason("paid twice") == "paid twice"


def test_every_translated_reason_is_one_that_the_worker_writes() -> None:
    folders = ("domain", "usecases", "adapters/portone")
    paths = [path for folder in folders for path in (ROOT / "billing_worker" / folder).rglob("*.py")]
    source = "\n".join(path.read_text() for path in paths)
    for name, text in texts_of(Language.EN, "reason.").items():
        for part in text.split("{rest}"):
            assert part.strip(": ") in source, name


def test_a_recorded_reason_of_an_alert_is_translated_too() -> None:
    assert alerts.text(f"alert.{AlertKind.UNKNOWN}.detail", Language.KO)
    about = {"order": "o-1", "reason": "the gateway shows no payment so far"}
    detail = alerts.shown(Alert(1, AlertKind.UNKNOWN, "att_1", about, NOW), Language.KO).detail
    assert "게이트웨이에서 아직 결제가 조회되지 않음" in detail


def test_a_name_without_a_text_and_a_missing_value_are_mistakes() -> None:
    with pytest.raises(KeyError, match="planted"):
        KO.say("why.planted")
    with pytest.raises(KeyError, match="number"):
        KO.say("why.in_flight")
