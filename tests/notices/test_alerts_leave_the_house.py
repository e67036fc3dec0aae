"""Alerts leave by events, by chat and by mail: over real sockets, once each, few messages, and never in a circle."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from billing_worker.adapters.alerting import ChatMessenger, MailMessenger, recipients_of
from billing_worker.bootstrap import build
from billing_worker.config import load_settings
from billing_worker.domain.alert_digest import AlertChannel
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.language import Language
from billing_worker.ports.alert_digest import Alerting, AlertMessage, AlertMessenger
from billing_worker.ports.outgoing import Address, Refusal
from billing_worker.texts.alert_digest import AlertWords
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.usecases.outgoing import alert
from tests.adapters.test_events_are_sent_safely import trap
from tests.support.post_office import post_office
from tests.support.receivers import Merchant
from tests.support.told import EVENTS, STATES, contradictions
from tests.support.world import World

FROM = "가게 <billing@shop.example>"
PATH = "/services/T0001/B0001/averysecretpath"


@dataclass
class Chat:
    """An operator's chat, or mailbox."""

    trouble: str | None = None
    heard: list[AlertMessage] = field(default_factory=list)
    address: Address = field(default_factory=lambda: Address("chat", "https://chat.example/"))
    meanwhile: Sequence[World] = ()
    """Other processes that tell the same channel while a message is on its way."""

    def send(self, message: AlertMessage, at: datetime) -> Refusal | None:  # noqa: ARG002 - as the port has it
        others, self.meanwhile = self.meanwhile, ()
        for other in others:
            alert.alert(other.ports, "chat")
        if self.trouble:
            return Refusal(self.trouble)
        self.heard.append(message)
        return None


def alerting(world: World, language: Language = Language.EN, **messengers: AlertMessenger) -> World:
    """The world with these channels."""
    ways = Alerting({AlertChannel(name): each for name, each in messengers.items()}, AlertWords(language, "shop"))
    shop = world.with_ports(alerting=ways)
    alert.due(shop.ports, 500)
    return shop


def told(world: World) -> int:
    """One round of beat for the channels; how many were told."""
    channels = alert.due(world.ports, 500)
    for channel in channels:
        alert.alert(world.ports, channel)
    return len(channels)


def opened(world: World, *subjects: str, kind: AlertKind = AlertKind.MISMATCH, reason: str = "another amount") -> None:
    with world.ports.database.transaction() as uow:
        for subject in subjects:
            uow.alerts.open(kind, subject, {"reason": reason}, world.clock.moment())
        uow.commit()


def closed(world: World, *subjects: str, kind: AlertKind = AlertKind.MISMATCH) -> None:
    with world.ports.database.transaction() as uow:
        for subject in subjects:
            uow.alerts.close(kind, subject, world.clock.moment())
        uow.commit()


def test_a_receiver_of_events_hears_once_that_an_alert_opened_and_once_that_it_closed(world: World) -> None:
    merchant = Merchant()
    listening = world.with_ports(notifier=merchant)
    opened(world, "att_1")
    opened(world, "att_1", reason="yet another amount")
    closed(world, "att_1")
    closed(world, "att_1")
    opened(world, "att_2")
    (second,) = world.alerts()
    close_alert(world.ports, second.id)
    listening.settle()
    (lowest,) = world.rows("SELECT min(id) AS id FROM alerts")
    first = f"alert_{lowest['id']}"
    for subject in (first, f"alert_{second.id}"):
        assert [kind for about, kind in merchant.alerts if about == subject] == ["alert.opened", "alert.closed"]
    (data,) = [row["data"] for row in world.rows("SELECT data FROM outbox ORDER BY sequence LIMIT 1")]
    assert f"alert_{data['alert_id']}" == first
    assert (data["kind"], data["severity"], data["concerns"], data["subject"]) == (
        *("mismatch", "critical", "attempt"),
        "att_1",
    )
    assert (data["status"], data["facts"], data["closed_at"]) == ("open", {"reason": "another amount"}, None)
    assert contradictions(world.rows(EVENTS), world.rows(STATES)) == []


def test_an_alert_whose_transaction_is_undone_is_told_by_no_way(world: World) -> None:
    chat = Chat()
    shop = alerting(world, chat=chat)
    with shop.ports.database.transaction() as uow:
        uow.alerts.open(AlertKind.MISMATCH, "att_1", {"reason": "x"}, world.clock.moment())
    assert told(shop) == 0
    assert world.rows("SELECT id FROM outbox") == world.rows("SELECT number FROM alert_changes") == []


def test_a_chat_gets_the_alert_in_words_with_its_ways_out_and_harmless(world: World) -> None:
    with trap() as made:
        chat = ChatMessenger(f"http://127.0.0.1:{made.port}{PATH}", allow_private=True)
        shop = alerting(world, chat=chat)
        opened(shop, "att_1", reason="<!channel> & more")
        assert told(shop) == 1
        assert told(shop) == 0
    (request,) = made.heard
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(f"POST {PATH} HTTP/1.1".encode())
    (text,) = json.loads(body).values()
    assert text.startswith("*billing-worker shop: alert: ")
    assert "&lt;!channel&gt; &amp; more" in text
    assert "att_1" in text
    assert "billing-worker alert list" in text
    assert chat.address.shown == f"http://127.0.0.1:{made.port}/"


def test_a_mail_comes_in_the_operators_language_to_every_address(world: World) -> None:
    with post_office() as office:
        mail = MailMessenger(f"smtp://127.0.0.1:{office.port}", FROM, "ops@shop.example, 홍길동 <hong@shop.example>")
        shop = alerting(world, Language.KO, mail=mail)
        opened(shop, "att_1")
        assert told(shop) == 1
        world.clock.advance(hours=1)
        # By a process that knows no mail server, such as that of the API.
        closed(world, "att_1")
        assert told(shop) == 1
    first, second = office.mails
    assert [str(each) for each in first["To"].addresses] == ["ops@shop.example", "홍길동 <hong@shop.example>"]
    assert first["Subject"].startswith("billing-worker shop 알림: ")
    assert first["Message-ID"] != second["Message-ID"]
    assert "닫힌 알림 1건" in second["Subject"]
    assert "닫힘: " in second.get_content()


def test_a_thousand_alerts_are_one_message_and_one_that_flaps_for_an_hour_six(world: World) -> None:
    chat = Chat()
    shop = alerting(world, chat=chat)
    opened(shop, *(f"att_{number}" for number in range(1000)))
    assert told(shop) == 1
    (message,) = chat.heard
    assert ": 995 more" in message.text
    assert len(message.text) < 4000
    world.clock.advance(hours=3)
    chat.heard.clear()
    for _ in range(60):
        opened(shop, "flaps")
        told(shop)
        closed(shop, "flaps")
        told(shop)
        world.clock.advance(minutes=1)
    assert len(chat.heard) == 6
    opened(shop, "sub_1", kind=AlertKind.NOT_PLACED)
    world.clock.advance(minutes=1)
    assert told(shop) == 1, "a kind that is new waits for a minute at most"


def test_a_chat_that_is_down_is_told_everything_when_it_is_well_and_the_mail_tells_of_it(world: World) -> None:
    chat, mail = Chat(trouble="HTTP 503"), Chat(address=Address("mail", "smtp://mail.example:587"))
    shop = alerting(world, chat=chat, mail=mail)
    opened(shop, "att_1")
    for _ in range(30):
        told(shop)
        world.clock.advance(minutes=2)
    kinds = world.rows("SELECT kind, count(*) AS times FROM alerts GROUP BY kind ORDER BY kind")
    assert kinds == [{"kind": "alerts_undelivered", "times": 1}, {"kind": "mismatch", "times": 1}]
    assert [message.text.count("Alerts do not leave") for message in mail.heard] == [0, 1]
    assert world.rows("SELECT type FROM outbox WHERE data ->> 'kind' = 'alerts_undelivered'") == [
        {"type": "alert.opened"}
    ]
    chat.trouble = None
    world.clock.advance(minutes=11)
    told(shop)
    (late,) = chat.heard
    assert "att_1" in late.text
    assert "Alerts do not leave" not in late.text, "a channel does not tell of itself"
    assert [alert.kind for alert in world.alerts()] == ["mismatch"]


@pytest.mark.parametrize("dies", ["before it sends", "after it has sent"])
def test_a_worker_that_dies_leaves_the_message_to_the_next(world: World, dies: str) -> None:
    class Crash(BaseException):
        pass

    class Dying(Chat):
        def send(self, message: AlertMessage, at: datetime) -> Refusal | None:
            if dies == "after it has sent":
                super().send(message, at)
            raise Crash

    well, dying = Chat(), alerting(world, chat=Dying())
    opened(world, "att_1")
    with pytest.raises(Crash):
        told(dying)
    next_one = dying.with_ports(alerting=Alerting({AlertChannel.CHAT: well}, AlertWords(Language.EN, "shop")))
    assert told(next_one) == 0, "the lease of the other still runs"
    world.clock.advance(minutes=1)
    assert told(next_one) == 1
    assert "att_1" in well.heard[0].text
    assert world.rows("SELECT count(*) AS left FROM alert_changes WHERE told_at IS NULL") == [{"left": 0}]


def test_two_workers_tell_once(world: World) -> None:
    chat = Chat()
    shop = alerting(world, chat=chat)
    twin = alerting(world.twin(), chat=chat)
    chat.meanwhile = (twin,)
    opened(shop, "att_1")
    channels = alert.due(shop.ports, 500)
    assert (channels, alert.due(twin.ports, 500)) == (["chat"], [])
    for _ in range(2):
        alert.alert(shop.ports, "chat")
        alert.alert(twin.ports, "chat")
    assert len(chat.heard) == 1
    twin.close()


def test_what_was_told_is_forgotten_and_a_channel_that_is_gone_keeps_nothing_for_ever(world: World) -> None:
    chat = Chat()
    shop = alerting(world, chat=chat, mail=Chat(trouble="down", address=Address("m", "smtp://m")))
    opened(shop, "att_1")
    told(shop)
    assert world.rows("SELECT count(*) AS kept FROM alert_changes") == [{"kept": 2}]
    world.clock.advance(days=3)
    only = alerting(world, chat=chat)
    assert world.rows("SELECT channel FROM alert_changes") == [{"channel": "mail"}]
    world.clock.advance_to(world.clock.now() + only.ports.delivering.keep + timedelta(days=1))
    told(only)
    assert world.rows("SELECT count(*) AS kept FROM alert_changes") == [{"kept": 0}]


def test_settings_name_what_is_missing_and_never_repeat_the_address(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    secret = "https://hooks.slack.example" + PATH
    monkeypatch.setenv("BILLING_DATABASE_URL", database_url)
    monkeypatch.setenv("BILLING_ALERT_URL", "hooks.slack.example" + PATH)
    with pytest.raises(SettingsInvalid, match="BILLING_ALERT_URL: is no URL such as") as refused:
        load_settings()
    assert "averysecretpath" not in str(refused.value)
    monkeypatch.setenv("BILLING_ALERT_URL", secret)
    monkeypatch.setenv("BILLING_ALERT_MAIL", "ops@shop.example")
    with pytest.raises(SettingsInvalid, match="BILLING_ALERT_MAIL: needs the mail server of BILLING_NOTICE_SMTP_URL"):
        load_settings()
    monkeypatch.setenv("BILLING_NOTICE_SMTP_URL", "smtp://mail.example.com")
    monkeypatch.setenv("BILLING_NOTICE_FROM", FROM)
    settings = load_settings()
    ports, engine = build(settings, role="worker", connections=1)
    engine.dispose()
    assert ports.alerting is not None
    assert set(ports.alerting.messengers) == set(AlertChannel)
    assert secret in settings.secrets
    assert any("averysecretpath" in hidden for hidden in ports.auditing.secrets)
    assert "averysecretpath" not in f"{settings!r} {ports.alerting.messengers[AlertChannel.CHAT].address}"


@pytest.mark.parametrize("more", ["\n", " ", "\x01", "\r\n"])
def test_an_address_from_a_file_is_taken_although_more_than_it_was_read(
    monkeypatch: pytest.MonkeyPatch, database_url: str, more: str
) -> None:
    monkeypatch.setenv("BILLING_DATABASE_URL", database_url)
    monkeypatch.setenv("BILLING_ALERT_URL", f"https://hooks.slack.example{PATH}{more}")
    ports, engine = build(load_settings(), role="worker", connections=1)
    engine.dispose()
    assert ports.alerting is not None
    assert ports.alerting.messengers[AlertChannel.CHAT].address.shown == "https://hooks.slack.example/"


@pytest.mark.parametrize("url", ["http://hooks.slack.example/x", "https://user:password@hooks.slack.example/x"])
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^BILLING_ALERT_URL: ") as refused:
        ChatMessenger(url)
    assert "password@" not in str(refused.value)


def test_a_trouble_names_neither_the_path_nor_its_parts() -> None:
    with trap(b"HTTP/1.1 404 Not Found\r\n\r\nno such hook: " + PATH.encode()) as made:
        refusal = ChatMessenger(f"http://127.0.0.1:{made.port}{PATH}", allow_private=True).send(
            AlertMessage("alerts_chat_1", "title", "text"), datetime.fromisoformat("2026-03-01T00:00:00+00:00")
        )
    assert refusal is not None
    assert "HTTP 404" in refusal.trouble
    assert "averysecretpath" not in refusal.trouble


@pytest.mark.parametrize("text", ["", "ops", "ops@shop.example,", "a@b.example\r\nBcc: c@d.example"])
def test_recipients_are_addresses(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="BILLING_ALERT_MAIL"):
        recipients_of(text)
