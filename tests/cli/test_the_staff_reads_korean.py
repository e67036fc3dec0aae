"""`BILLING_LANGUAGE=ko`: `why`, `report`, alerts and `doctor` in Korean; what programs read stays as it is."""

import json
from datetime import timedelta

import pytest
from cli_helpers import Command, Said
from rich.cells import cell_len

from billing_worker.domain.alerts import AlertKind
from tests.support.languages import HANGUL, english_in
from tests.support.world import World


@pytest.fixture
def korean(billing: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("BILLING_LANGUAGE", "ko")
    monkeypatch.setenv("BILLING_TIMEZONE", "Asia/Seoul")
    return billing


@pytest.fixture
def told(world: World) -> World:
    """A customer in dunning, one who paid, and an alert."""
    world.subscribe("decline-limit", customer="user-42")
    world.subscribe(customer="user-43")
    world.run_until(world.clock.now() + timedelta(hours=1))
    with world.ports.database.transaction() as uow:
        facts = {"registered": "g***@example.com", "issued": "h***@example.com"}
        uow.alerts.open(AlertKind.KEY_EMAIL, "key_1", facts, world.clock.moment())
        uow.commit()
    return world


def lines(said: Said, *kept: str) -> list[str]:
    """The lines of an answer; each is free of English words, beside the ids and what is kept."""
    assert said.status in (0, 1), said.err
    found = [line for line in said.out.splitlines() if line.strip()]
    assert found
    for line in found:
        assert english_in(line, (*kept, "KRW")) == [], line
    return found


def test_why_report_and_alerts_have_no_english_line(korean: Command, told: World) -> None:
    (listed,) = korean("subscription", "list", "--customer", "user-42", "--json").json
    reason = told.rows("SELECT reason FROM payment_attempts WHERE status = 'declined'")[0]["reason"]
    why = lines(korean("why", listed["id"]), reason)
    assert "지금까지" in why
    assert "작업 내역" in why
    assert any(line.startswith("다음: ") for line in why)
    report = lines(korean("report"), "key_email")
    assert report[0].split()[:6] == ["월", "인보이스", "결제", "완료", "결제", "금액"]
    assert "재시도 중 1" in {" ".join(line.split()) for line in report}
    assert "알림: 운영자가 확인해야 합니다" in report
    alerts = lines(korean("alert", "list"), "key_email")
    assert "심각도" in alerts[0]
    assert "주의" in alerts[1]
    (alert,) = korean("alert", "list", "--json").json
    shown = lines(korean("alert", "show", str(alert["id"])), "key_email")
    assert shown[0] == "이메일이 다른 빌링키"
    closed = lines(korean("alert", "close", str(alert["id"])), "key_email")
    assert closed[0] == f"알림 {alert['id']}번을 닫았습니다"
    assert korean("alert", "list").out == "열린 알림이 없습니다.\n"


def test_the_doctor_reports_in_korean(korean: Command, world: World) -> None:
    assert world
    found = korean("doctor").out.splitlines()
    assert found[0].split() == ["판정", "점검", "내용", "해결", "방법"]
    said = {line.split("  ")[0] for line in found[1:]}
    assert said <= {"정상", "주의", "실패"}
    for line in found[1:]:
        assert HANGUL.search(line.split(None, 1)[1]), line


def test_what_a_program_reads_is_the_same_in_both_languages(
    korean: Command, told: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told
    in_korean = [korean(*words, "--json").json for words in (("report",), ("alert", "list"))]
    checks = [each["check"] for each in json.loads(korean("doctor", "--json").out)["checks"]]
    monkeypatch.setenv("BILLING_LANGUAGE", "en")
    in_english = [korean(*words, "--json").json for words in (("report",), ("alert", "list"))]
    assert in_korean[0]["months"] == in_english[0]["months"]
    assert in_korean[0]["standing"] == in_english[0]["standing"]
    (ours,), (theirs,) = in_korean[1], in_english[1]
    assert ours.keys() == theirs.keys()
    same = ("id", "kind", "severity", "subject_id", "facts", "opened_at")
    assert [ours[name] for name in same] == [theirs[name] for name in same]
    assert checks == [each["check"] for each in json.loads(korean("doctor", "--json").out)["checks"]]


def ascii_at(line: str, cells: int) -> int:
    """How many letters of a line fill so many cells of a terminal."""
    return next(at for at in range(len(line) + 1) if cell_len(line[:at]) == cells)


def test_columns_of_wide_letters_stand_below_each_other(korean: Command, told: World) -> None:
    assert told
    head, *rows = korean("report").out.split("\n\n")[0].splitlines()
    assert rows
    for title in ("결제 금액", "환불 금액"):
        end = cell_len(head[: head.index(title) + len(title)])
        for row in rows:
            assert row[: ascii_at(row, end)].endswith(" KRW"), row
    table = korean("alert", "list").out.splitlines()
    detail = [cell_len(line[: line.index(word)]) for line, word in zip(table, ("내용", "key_1 빌링키에"), strict=True)]
    assert len(set(detail)) == 1, "the sentence begins below its title"


def test_a_language_that_there_is_not_is_refused_with_the_way_out(
    billing: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_LANGUAGE", "kr")
    for words in (("why", "sub_x"), ("report",), ("alert", "list")):
        said = billing(*words)
        assert (said.status, said.out) == (2, "")
        assert "BILLING_LANGUAGE: Input should be 'en' or 'ko' (got 'kr')" in said.err
    assert "BILLING_LANGUAGE" in billing("doctor").out
