"""`doctor` goes the ways of alerts as a worker does, without a message; with `--send`, one message proves the rest."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Command, Said

from billing_worker.runtime import free_port
from tests.adapters.test_events_are_sent_safely import OK, trap
from tests.support.post_office import PASSWORD, USER, PostOffice, certified, encrypted, post_office
from tests.support.sandbox import Sandbox

PATH = "/services/T0001/B0001/averysecretpath"
FROM = "가게 <billing@shop.example>"


@pytest.fixture(autouse=True)
def gateway(with_gateway: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A gateway without real money, so that receivers may be on this machine; no broker."""
    monkeypatch.setenv("BILLING_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")
    return with_gateway


def findings(said: Said) -> dict[str, Any]:
    return {each["check"]: each for each in json.loads(said.out)["checks"]}


def mail_by(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch, account: str = "", to: str = "ops@shop.example"
) -> None:
    monkeypatch.setenv("BILLING_NOTICE_SMTP_URL", f"smtp://{account}127.0.0.1:{office.port}")
    monkeypatch.setenv("BILLING_NOTICE_FROM", FROM)
    if to:
        monkeypatch.setenv("BILLING_ALERT_MAIL", to)


def test_a_chat_that_answers_is_open_and_hears_nothing(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with trap(b"HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n") as made:
        monkeypatch.setenv("BILLING_ALERT_URL", f"http://127.0.0.1:{made.port}{PATH}")
        said = billing("doctor", "--json")
    (request,) = made.heard
    assert request.startswith(f"HEAD {PATH} HTTP/1.1".encode()), "nothing is posted"
    found = findings(said)["alert chat"]
    assert (found["verdict"], "doctor --send" in found["detail"]) == ("ok", True)
    assert PATH not in said.out


def test_one_test_message_proves_the_path(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with trap() as made:
        monkeypatch.setenv("BILLING_ALERT_URL", f"http://127.0.0.1:{made.port}{PATH}")
        found = findings(billing("doctor", "--send", "--json"))["alert chat"]
    assert (found["verdict"], "took a test message" in found["detail"]) == ("ok", True)
    (posted,) = made.heard
    assert b"Test message of billing-worker" in posted
    with trap(b"HTTP/1.1 404 no_service\r\ncontent-length: 10\r\n\r\nno_service") as made:
        monkeypatch.setenv("BILLING_ALERT_URL", f"http://127.0.0.1:{made.port}{PATH}")
        assert findings(billing("doctor", "--json"))["alert chat"]["verdict"] == "ok"
        said = billing("doctor", "--send", "--json")
    found = findings(said)["alert chat"]
    assert (said.status, found["verdict"], "no_service" in found["detail"]) == (1, "fail", True)
    assert "BILLING_ALERT_URL" in found["way_out"]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_chat_that_fails_or_is_away_is_told(
    billing: Command, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    with trap(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n") as made:
        if is_there:
            monkeypatch.setenv("BILLING_ALERT_URL", f"http://127.0.0.1:{made.port}{PATH}")
            found = findings(billing("doctor", "--json"))["alert chat"]
    if not is_there:
        monkeypatch.setenv("BILLING_ALERT_URL", f"http://127.0.0.1:{free_port()}{PATH}")
        found = findings(billing("doctor", "--json"))["alert chat"]
    assert (found["verdict"], "BILLING_ALERT_URL" in found["way_out"]) == ("fail", True)


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 429, 501])
def test_a_chat_that_knows_no_head_may_take_messages_all_the_same(
    billing: Command, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with trap(f"HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n".encode()) as made:
        monkeypatch.setenv("BILLING_ALERT_URL", f"http://127.0.0.1:{made.port}{PATH}")
        assert findings(billing("doctor", "--json"))["alert chat"]["verdict"] == "ok"


def test_where_a_message_is_sent_the_mere_question_decides_nothing(
    billing: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trap(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n") as made:
        monkeypatch.setenv("BILLING_ALERT_URL", f"http://127.0.0.1:{made.port}{PATH}")
        found = findings(billing("doctor", "--json"))["alert chat"]
        assert (found["verdict"], "doctor --send" in found["way_out"]) == ("fail", True)
        assert findings(billing("doctor", "--send", "--json"))["alert chat"]["verdict"] == "fail"
    assert [heard[:4] for heard in made.heard] == [b"HEAD", b"POST"]


def test_the_mail_server_is_asked_for_all_but_a_mail(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with post_office() as office:
        mail_by(office, monkeypatch, to="ops@shop.example, gone@shop.example")
        assert findings(billing("doctor", "--json"))["alert mail"]["verdict"] == "ok"
        assert office.mails == []
        office.refused = {"gone@shop.example": "550 5.1.1 no such mailbox"}
        said = billing("doctor", "--json")
        found = findings(said)["alert mail"]
        assert (said.status, found["verdict"], "no such mailbox" in found["detail"]) == (1, "fail", True)
        assert "BILLING_ALERT_MAIL" in found["way_out"]
        office.refused = {}
        assert findings(billing("doctor", "--send", "--json"))["alert mail"]["verdict"] == "ok"
        (mail,) = office.mails
        assert mail["Subject"].startswith("Test message of billing-worker (c")
        office.answer = "554 5.7.1 not from here"
        assert findings(billing("doctor", "--json"))["alert mail"]["verdict"] == "ok"
        assert "not from here" in findings(billing("doctor", "--send", "--json"))["alert mail"]["detail"]


def test_each_recipient_that_is_refused_is_named(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail would be taken for the others, and nothing would tell."""
    with post_office() as office:
        mail_by(office, monkeypatch, to="ops@shop.example, gone@shop.example, full@shop.example")
        office.refused = {"gone@shop.example": "550 no", "full@shop.example": "452 full"}
        for options in ((), ("--send",)):
            detail = findings(billing("doctor", *options, "--json"))["alert mail"]["detail"]
            assert ("gone@shop.example: 550 no; full@shop.example: 452 full" in detail, "ops@" in detail) == (
                True,
                False,
            )


def test_a_wrong_password_is_told_and_not_shown(
    billing: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certified(tmp_path)
    with post_office(**encrypted(certificate)) as office:
        monkeypatch.setenv("BILLING_NOTICE_FROM", FROM)

        def seen(password: str) -> tuple[str, str]:
            account = f"{USER}:{password.replace(' ', '%20')}"
            monkeypatch.setenv("BILLING_NOTICE_SMTP_URL", f"smtp://{account}@localhost:{office.port}")
            said = billing("doctor", "--json")
            assert password not in said.out
            # Without recipients of alerts, the server of the notices is tried all the same.
            found = findings(said)["notice mail"]
            return found["verdict"], found["detail"]

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        assert seen(PASSWORD)[0] == "ok"
        verdict, detail = seen("a-hidden-word")
        assert (verdict, "535" in detail, office.mails) == ("fail", True, [])


def test_what_is_wrong_in_a_setting_is_no_fault_of_the_database(
    billing: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with post_office() as office:
        mail_by(office, monkeypatch, to="ops")
        monkeypatch.setenv("BILLING_ALERT_URL", f"https://ops:a-hidden-word@127.0.0.1{PATH}")
        said = billing("doctor", "--json")
    checks = json.loads(said.out)["checks"]
    wrong = [each["detail"] for each in checks if each["check"] == "settings"]
    assert [line.partition(":")[0] for line in wrong] == ["BILLING_ALERT_URL", "BILLING_ALERT_MAIL"]
    found = findings(said)
    assert (said.status, found["database"]["verdict"], found["gateway"]["verdict"]) == (1, "ok", "ok")
    assert found["notice mail"]["verdict"] == "ok", "the rest is tried all the same"
    assert "alerts" not in found, "a way that is wrong is not called missing"
    assert "a-hidden-word" not in said.out + said.err
    assert "averysecretpath" not in said.out + said.err


WRONG_TOGETHER = {
    "BILLING_EVENTS_URL": "https://a:b@shop.example/events",
    "BILLING_EVENTS_SECRET": "a-hidden-word",
    "BILLING_NOTICE_FROM": "shop",
    "BILLING_NOTICE_SMTP_URL": "smtp://shop:a-hidden-word@",
    "BILLING_NOTICE_URL": "https://a:b@shop.example/notices",
    "BILLING_NOTICE_SECRET": "a-hidden-word",
    "BILLING_ALERT_URL": "https://ops:a-hidden-word@shop.example/",
    "BILLING_ALERT_MAIL": "ops",
}


def test_no_bad_setting_hides_another(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WRONG_TOGETHER.items():
        monkeypatch.setenv(name, value)
    said = billing("doctor", "--json")
    wrong = [each["detail"] for each in json.loads(said.out)["checks"] if each["check"] == "settings"]
    assert [line.partition(":")[0] for line in wrong] == list(WRONG_TOGETHER)
    found = findings(said)
    assert (found["database"]["verdict"], "alerts" in found) == ("ok", False)
    assert "a-hidden-word" not in said.out + said.err


def test_what_no_setting_can_be_is_a_line_of_its_own_in_the_operator_s_language(
    billing: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {
        "BILLING_BROKER_URL": "amqp://x",
        "BILLING_LEASE": "soon",
        "BILLING_LEAS": "9",
        "BILLING_ALERT_MAILS": "a@b.c",
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BILLING_LANGUAGE", "ko")
    said = billing("doctor", "--json")
    wrong = [each["detail"] for each in json.loads(said.out)["checks"] if each["check"] == "settings"]
    assert (said.status, len(wrong)) == (1, len(bad))
    assert all(sum(f"{name}: " in line for line in wrong) == 1 for name in bad)
    assert all(line.startswith("점검하지 못했습니다: ") for line in wrong)
    monkeypatch.setenv("BILLING_LANGUAGE", "fr")
    lines = [each["detail"] for each in json.loads(billing("doctor", "--json").out)["checks"]]
    assert any(line.startswith("BILLING_LANGUAGE: ") for line in lines)


def test_it_speaks_korean(billing: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert here
    monkeypatch.setenv("BILLING_LANGUAGE", "ko")
    assert "알림을 내보낼 길이 설정되지 않았습니다" in findings(billing("doctor", "--json"))["alerts"]["detail"]
    with trap(OK) as made, post_office() as office:
        monkeypatch.setenv("BILLING_ALERT_URL", f"http://127.0.0.1:{made.port}{PATH}")
        mail_by(office, monkeypatch)
        found = findings(billing("doctor", "--send", "--json"))
        assert "시험 메시지를 받았습니다" in found["alert chat"]["detail"]
        assert office.mails[0]["Subject"].startswith("billing-worker 시험 메시지(c")
        office.refused = {"ops@shop.example": "550 no"}
        assert (
            "고친 뒤 실행하십시오: billing-worker doctor --send"
            in findings(billing("doctor", "--json"))["alert mail"]["way_out"]
        )
    assert "알림 채팅" in billing("doctor").out


def test_real_money_without_a_way_of_alerts_is_warned_of(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_worker.config.gateway.LIVE_HOSTS", ("127.0.0.1",))
    found = findings(billing("doctor", "--json"))["alerts"]
    assert (found["verdict"], "BILLING_ALERT_URL" in found["way_out"]) == ("warn", True)
    monkeypatch.setenv("BILLING_EVENTS_URL", "https://shop.example/events")
    monkeypatch.setenv("BILLING_EVENTS_SECRET", "whsec_" + "QUFB" * 10)
    assert findings(billing("doctor", "--json"))["alerts"]["verdict"] == "ok"
