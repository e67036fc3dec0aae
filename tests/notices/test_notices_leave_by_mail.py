"""Notices as mail, at a real mail server."""

import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing_worker.adapters.notices.smtp import PORTS, MailServer, SmtpMessenger, sender_of
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.language import Language
from billing_worker.domain.notices.notice import Channel, NoticeKind
from billing_worker.ports.notices import Letter, Recipient
from billing_worker.texts.notices.samples import sample
from billing_worker.texts.notices.wording import Templates
from tests.support.heard import noticing, telling
from tests.support.post_office import PASSWORD, USER, PostOffice, certified, encrypted, post_office
from tests.support.world import World

NOW = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
FROM = "가게 <billing@shop.example>"


def a_letter(email: str = "gildong@example.com", name: str | None = "홍길동", **facts: str) -> Letter:
    told = {**sample(NoticeKind.FAILED), **facts}
    words = Templates(None, "가게").words(NoticeKind.FAILED, Language.KO, told)
    to = Recipient(name, email, None)
    return Letter("ntc_1", NoticeKind.FAILED, Language.KO, "user-42", to, told, words)


def to_office(office: PostOffice, account: str = "") -> SmtpMessenger:
    return SmtpMessenger(f"smtp://{account}127.0.0.1:{office.port}", FROM)


def test_a_mail_has_its_text_its_html_and_an_id_by_which_a_repeat_is_known() -> None:
    with post_office() as office:
        messenger = to_office(office)
        assert messenger.send(a_letter(), NOW) is None
        assert messenger.send(a_letter(), NOW) is None
    first, again = office.mails
    assert first["Message-ID"] == again["Message-ID"] == "<ntc_1@shop.example>"
    assert first["From"] == "가게 <billing@shop.example>"
    assert first["To"] == "홍길동 <gildong@example.com>"
    assert first["Subject"] == "베이직 결제가 되지 않았습니다"
    assert first["Date"] == "Sun, 01 Mar 2026 00:00:00 +0000"
    assert first["Auto-Submitted"] == "auto-generated"
    text, html = (first.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "9,900원을 결제하지 못했습니다" in text.get_content()
    assert str(sample(NoticeKind.FAILED)["card_link"]) in text.get_content()
    assert "결제 수단 변경하기</a>" in html.get_content()


def test_a_product_with_html_in_its_name_stays_text() -> None:
    with post_office() as office:
        assert to_office(office).send(a_letter(product="<b>Gold</b>"), NOW) is None
    html = office.mails[0].get_body(("html",))
    assert html is not None
    assert "&lt;b&gt;Gold&lt;/b&gt;" in html.get_content()
    assert "<b>" not in html.get_content()
    assert office.mails[0]["Subject"] == "<b>Gold</b> 결제가 되지 않았습니다"


def test_a_password_never_leaves_in_the_clear_and_is_never_shown() -> None:
    with post_office() as office:
        messenger = to_office(office, f"{USER}:{PASSWORD.replace(' ', '%20')}@")
        refusal = messenger.send(a_letter(), NOW)
    assert "no STARTTLS" in str(refusal)
    assert not office.logins
    assert PASSWORD not in f"{refusal} {messenger!r} {messenger._server!r}"
    assert messenger.address.shown == f"smtp://127.0.0.1:{office.port}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certified(tmp_path_factory.mktemp("tls"))


def test_starttls_comes_before_the_password(certificate: Path) -> None:
    with post_office(**encrypted(certificate)) as office:
        url = f"smtp://{USER}:{PASSWORD.replace(' ', '%20')}@localhost:{office.port}"
        distrusting, trusting = SmtpMessenger(url, FROM), SmtpMessenger(url, FROM)
        trusting._tls.load_verify_locations(certificate / "cert.pem")
        refusal = distrusting.send(a_letter(), NOW)
        assert refusal is not None
        assert "certificate" in refusal.trouble
        assert not office.logins
        assert trusting.send(a_letter(), NOW) is None
    assert office.logins == [USER]
    assert len(office.mails) == 1


def test_an_address_that_is_refused_for_good_is_not_tried_again_and_a_full_mailbox_is() -> None:
    with post_office() as office:
        office.refused = {"gone@example.com": "550 no such user", "full@example.com": "452 mailbox full"}
        messenger = to_office(office)
        gone, full = (messenger.send(a_letter(email), NOW) for email in ("gone@example.com", "full@example.com"))
        office.answer = "451 try later"
        later = messenger.send(a_letter(), NOW)
    assert gone is not None
    assert gone.gone
    assert "550 no such user" in gone.trouble
    assert full is not None
    assert not full.gone
    assert later is not None
    assert (later.gone, later.unclear) == (False, False)
    assert "451 try later" in later.trouble


@pytest.mark.parametrize("email", ["not an address", "gil dong@example.com", "a@b\r\nBcc: c@example.com"])
def test_an_address_that_no_mail_can_have_reaches_no_server(email: str) -> None:
    with post_office() as office:
        refusal = to_office(office).send(a_letter(email), NOW)
    assert refusal is not None
    assert refusal.gone
    assert not office.mails


def test_a_server_that_says_nothing_or_little_holds_a_worker_only_until_the_deadline() -> None:
    dripping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                # An answer that never ends: each byte comes in time, the line does not.
                while not dripping.wait(0.02):
                    try:
                        connection.sendall(b"2")
                    except OSError:
                        return

        threading.Thread(target=drip, daemon=True).start()
        refusal = SmtpMessenger(f"smtp://127.0.0.1:{port}", FROM, total=0.3).send(a_letter(), NOW)
        dripping.set()
    assert refusal is not None
    assert refusal.trouble == "the mail server did not answer within 0.3 seconds"
    assert refusal.unclear


@pytest.mark.parametrize(("scheme", "is_hinted"), [("smtp", True), ("smtps", False)])
def test_a_server_that_waits_for_tls_is_a_way_out(
    monkeypatch: pytest.MonkeyPatch, scheme: str, *, is_hinted: bool
) -> None:
    """On its port, a server that says nothing waits for the other side to begin with TLS."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setitem(PORTS, "smtps", port)
        refusal = SmtpMessenger(f"{scheme}://127.0.0.1:{port}", FROM, total=0.3).reach()
    assert refusal is not None
    assert ("needs smtps://" in refusal.trouble) == is_hinted


def test_the_time_that_is_named_is_the_time_that_was_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_worker.adapters.notices.smtp.CONNECT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refusal = SmtpMessenger(f"smtps://127.0.0.1:{silent.getsockname()[1]}", FROM).reach()
    assert refusal is not None
    assert refusal.trouble == "the mail server took no connection within 0.1 seconds"


def test_a_server_that_is_not_there_is_a_clear_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    refusal = SmtpMessenger(f"smtp://127.0.0.1:{port}", FROM).send(a_letter(), NOW)
    assert refusal is not None
    assert (refusal.unclear, refusal.gone) == (False, False)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://user@host",
        "smtp://host:port",
        "smtps://h/path",
    ],
)
def test_a_wrong_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="BILLING_NOTICE_SMTP_URL") as error:
        MailServer.parse(url)
    assert "user@host" not in str(error.value)


@pytest.mark.parametrize("text", ["", "가게", "billing@", "가게 <billing>", "a@b.example, c@d.example x"])
def test_a_wrong_sender_is_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="BILLING_NOTICE_FROM"):
        sender_of(text)


def test_a_customer_of_a_declined_card_gets_a_mail(world: World) -> None:
    with post_office() as office:
        told = telling(world, noticing({Channel.MAIL: to_office(office)}))
        key = told.key("decline-limit-1x", buyer_name="홍길동", buyer_email="gildong@example.com")
        told.subscribe(key=key)
        told.settle()
        told.clock.advance(days=1)
        told.settle()
    failed, recovered = office.mails
    assert "되지 않았습니다" in failed["Subject"]
    assert "완료되었습니다" in recovered["Subject"]
    rows = told.rows("SELECT id, status FROM notices ORDER BY number")
    assert [row["status"] for row in rows] == ["sent", "sent"]
    assert failed["Message-ID"] == f"<{rows[0]['id']}@shop.example>"
