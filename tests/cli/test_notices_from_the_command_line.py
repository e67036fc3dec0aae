"""`billing-worker notice …`, and the settings of notices."""

from pathlib import Path

import pytest
from cli_helpers import Command

from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.config import load_settings
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.notices.notice import Channel
from billing_worker.domain.notices.switches import switches_of
from billing_worker.messengers import noticing_of
from tests.support.heard import Ear, noticing, telling
from tests.support.world import World

SECRET = "whsec_" + "bmV3IHNlY3JldCBvZiBhdCBsZWFzdCAyNCBieXRlcw=="
MAIL = "smtp://shop:a%20long%20password@mail.example.com"


@pytest.fixture
def told(world: World) -> World:
    return telling(world, noticing({Channel.MAIL: Ear()}))


def test_notices_are_listed_and_why_shows_them(billing: Command, told: World) -> None:
    assert "There are no such notices" in billing("notice", "list").out
    key = told.key("decline-limit-1x", buyer_email="gildong@example.com")
    subscription = told.subscribe(key=key, customer="user-42")
    told.subscribe("decline-limit")
    told.settle()
    told.clock.advance(days=1)
    told.settle()
    listed = billing("notice", "list", "--customer", "user-42", "--json").json
    assert [(each["kind"], each["status"]) for each in listed] == [("recovered", "sent"), ("failed", "sent")]
    lost = billing("notice", "list", "--status", "failed", "--kind", "failed", "--json").json[-1]
    assert lost["note"] == "no address: the billing key has no e-mail"
    assert "gildong@example.com" not in billing("notice", "list", "--json").out
    shown = billing("why", told.invoice(subscription).id).out
    assert "What the customer heard" in shown
    assert "failed by mail: sent" in shown
    assert "recovered by mail: sent" in shown


def test_a_plan_is_told_what_its_customers_hear(billing: Command) -> None:
    made = ("plan", "create", "Basic", "--amount", "9900", "--interval", "month")
    plan = billing(*made, "--notices", "failed,upcoming=7", "--json").json
    assert plan["notices"] == ["upcoming=7", "failed"]
    changed = billing("plan", "set-notices", plan["id"], "", "--json").json
    assert changed["notices"] == []
    assert billing("plan", "set-notices", plan["id"], "default", "--json").json["notices"] is None
    billing("plan", "set-notices", plan["id"], "faild").refuses(2, "notices", "faild", "upcoming, card_exp")
    billing(*made, "--notices", "upcoming").refuses(2, "upcoming=7")
    billing(*made, "--notices", "failed=3").refuses(2, "takes no number")
    assert "notices: none" in billing("action", "list").out


def test_kinds_and_previews_need_no_mail_server(billing: Command) -> None:
    kinds = {each["kind"]: each for each in billing("notice", "kinds", "--json").json}
    assert (kinds["failed"]["on"], kinds["upcoming"]["on"], kinds["card_expiring"]["days"]) == (True, False, 14)
    assert billing("notice", "preview", "recovered").out.startswith(
        "베이직 결제가 완료되었습니다\n\n홍길동님, 안녕하세요.\n"
    )
    english = billing("notice", "preview", "failed", "--language", "en").out
    assert "We could not charge KRW 9,900" in english
    assert "<h1" in billing("notice", "preview", "failed", "--html").out
    plan = billing("plan", "create", "Gold", "--amount", "19000", "--interval", "month", "--json").json
    assert "Gold 이용 요금 19,000원" in billing("notice", "preview", "given_up", "--plan", plan["id"]).out


def test_templates_of_the_merchant_come_first_and_mistakes_name_their_line(
    billing: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BILLING_NOTICE_TEMPLATES", str(tmp_path))
    own = tmp_path / "failed.ko.txt"
    own.write_text("{{ customer }}님\n\n{% include '_footer.txt' %}\n\n{{ price }}\n")
    (tmp_path / "_footer.txt").write_text("고객센터 1544-0000")
    assert billing("notice", "preview", "failed").out == "user-42님\n\n고객센터 1544-0000\n9,900원\n"
    own.write_text("결제 안내\n\n{{ prise }}\n")
    billing("notice", "preview", "failed").refuses(2, "BILLING_NOTICE_TEMPLATES", "failed.ko.txt, line 3", "prise")
    own.write_text("결제 안내\n\n{% if card %}\n")
    billing("notice", "preview", "failed").refuses(2, "failed.ko.txt, line 3")
    own.rename(tmp_path / "faild.ko.txt")
    billing("notice", "preview", "failed").refuses(2, "faild.ko.txt is the name of no template")


def test_the_settings_make_both_ways_and_the_tables_know_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert noticing_of(load_settings()) is None
    monkeypatch.setenv("BILLING_NOTICE_SMTP_URL", MAIL)
    with pytest.raises(SettingsInvalid, match="BILLING_NOTICE_FROM: is needed"):
        load_settings()
    monkeypatch.setenv("BILLING_NOTICE_FROM", "가게 <billing@shop.example>")
    monkeypatch.setenv("BILLING_NOTICE_URL", "https://shop.example/notices")
    with pytest.raises(SettingsInvalid, match="BILLING_NOTICE_SECRET: is needed"):
        load_settings()
    monkeypatch.setenv("BILLING_NOTICE_SECRET", SECRET)
    monkeypatch.setenv("BILLING_NOTICE_KINDS", "given_up")
    monkeypatch.setenv("BILLING_NOTICE_QUIET_HOURS", "none")
    settings = load_settings()
    made = noticing_of(settings)
    assert made is not None
    assert list(made.messengers) == [Channel.MAIL, Channel.WEBHOOK]
    assert made.switches == switches_of("given_up")
    assert made.quiet is None
    assert {"a long password", SECRET} <= set(settings.secrets)
    assert "a long password" not in repr(settings)
    assert "long" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KINDS", "failed,faild", "'faild' is none of"),
        ("QUIET_HOURS", "21:00", "two different times of day"),
        ("QUIET_HOURS", "25:00-08:00", "two different times of day"),
        ("LANGUAGE", "fr", "'en' or 'ko'"),
    ],
)
def test_a_wrong_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(f"BILLING_NOTICE_{name}", value)
    with pytest.raises(SettingsInvalid, match=f"BILLING_NOTICE_{name}: .*{said}"):
        load_settings()


def test_a_process_writes_notices_by_the_ways_that_it_has(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    from billing_worker.bootstrap import build  # noqa: PLC0415 - used here alone

    monkeypatch.setenv("BILLING_DATABASE_URL", world.database_url)
    for way in ("", MAIL):
        monkeypatch.setenv("BILLING_NOTICE_SMTP_URL", way)
        monkeypatch.setenv("BILLING_NOTICE_FROM", "billing@shop.example")
        ports, engine = build(load_settings(), role="test", connections=1)
        database = ports.database
        assert isinstance(database, SqlDatabase)
        assert tuple(database.channels) == ((Channel.MAIL,) if way else ())
        assert (ports.noticing is not None) == bool(way)
        engine.dispose()
