"""Settings: what is wrong is one line that names the variable, and the time machine never meets real money."""

import threading
from collections.abc import Iterator
from datetime import time, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from billing_worker import bootstrap
from billing_worker.config import load_settings
from billing_worker.domain.errors import SettingsInvalid, Unavailable
from billing_worker.domain.pg_limits import PgLimits, Quiet
from billing_worker.runtime import free_port
from tests.support.sandbox import running_sandbox

MACHINE = "2026-01-01T00:00:00+09:00 x86400 @2026-11-21T08:41:00Z"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No .env of a developer is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plain_server() -> Iterator[str]:
    """A gateway that does not say that it is a sandbox."""

    class Plain(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"code": 0, "message": null, "response": null}')

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Plain)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def with_machine(url: str) -> dict[str, str]:
    return {
        "time_machine": MACHINE,
        "portone_api_url": url,
        "portone_imp_key": "imp_key_sandbox",
        "portone_imp_secret": "imp_secret_sandbox",
    }


@pytest.mark.parametrize(
    "url",
    ["https://api.iamport.kr", "https://static-api.iamport.kr/", "https://API.IAMPORT.KR", "https://api.portone.io"],
)
def test_the_time_machine_is_refused_where_real_money_moves(url: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"BILLING_TIME_MACHINE: refused, since .* moves real money"):
        load_settings(**with_machine(url))


def test_the_time_machine_is_refused_without_the_marker_of_a_sandbox(plain_server: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"refused, since .* does not say that it is a sandbox"):
        bootstrap.check_gateway(load_settings(**with_machine(plain_server)))


def test_the_time_machine_waits_for_a_sandbox_that_does_not_answer_yet() -> None:
    with pytest.raises(Unavailable, match="BILLING_PORTONE_API_URL: nothing answers"):
        bootstrap.check_gateway(load_settings(**with_machine(f"http://127.0.0.1:{free_port()}")))


def test_the_time_machine_runs_against_the_sandbox() -> None:
    with running_sandbox() as sandbox:
        bootstrap.check_gateway(load_settings(**with_machine(sandbox.url)))


@pytest.mark.fm("J5")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("BILLING_TIMEZONE", "Mars/Base", "is not an IANA time zone"),
        ("BILLING_TIME_MACHINE", "tomorrow", "must be START xRATE @ORIGIN"),
        ("BILLING_BROKER_URL", "amqp://host", "only Redis is supported"),
        ("BILLING_WEB_PORT", "70000", "less than or equal to 65535"),
        ("BILLING_ENVIRONMENT", "Live-1", "match"),
        ("BILLING_LEASE", "30", "must be shorter than the lease"),
        ("BILLING_PORTONE_IMP_KEY", "alone", "belong together"),
        ("BILLING_EVENTS_URL", "https://shop.example/events", "BILLING_EVENTS_SECRET"),
        ("BILLING_DATABSE_URL", "postgresql://x", "did you mean BILLING_DATABASE_URL?"),
        ("BILLING_SETTLE_WINDOWS", "paymentwall", "is not a PG code, = and seconds"),
        ("BILLING_SETTLE_WINDOWS", "paymentwall=0", "is not a PG code, = and seconds"),
        ("BILLING_SETTLE_WINDOWS", "paymentwall=1d", "is not a PG code, = and seconds"),
        ("BILLING_SETTLE_WINDOWS", "paymentwall=86401", "seconds up to 86400"),
        ("BILLING_SETTLE_WINDOWS", "a=1, a=2", "a is named twice"),
        ("BILLING_PG_RATES", "daou=50", "is not a PG code, = and a rate such as 50/s or 600/min"),
        ("BILLING_PG_RATES", "dauo=5/s", "'dauo' is no PG of PortOne V1; is daou (키움페이) meant?"),
        ("BILLING_PG_RATES", "daou=0/s", "is not a PG code, = and a rate"),
        ("BILLING_PG_RATES", "daou=5/s,daou=6/s", "daou is named twice"),
        ("BILLING_PG_MONTHLY_USES", "kakaopay=0", "a number of charges from 1 to 99999"),
        ("BILLING_PG_QUIET_HOURS", "settle_acc=23:30", "two different times of day such as 23:30-00:35"),
        ("BILLING_PG_QUIET_HOURS", "settle_acc=23:30-24:35", "two different times of day"),
        ("BILLING_PG_QUIET_HOURS", "settle_acc=09:00-09:00", "two different times of day"),
        ("BILLING_SPREAD_HOURS", "24", "less than or equal to 23"),
        ("BILLING_COMPARE_INTERVAL", "0", "greater than or equal to 1"),
        ("BILLING_NONSENSE", "1", "see .env.example"),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_name(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    line = str(caught.value)
    assert words in line
    assert name in line or name == "BILLING_LEASE"
    assert "\n" not in line


def test_the_limits_of_pgs_are_read() -> None:
    assert load_settings().pg_limits == PgLimits(spacing={"daou": timedelta(milliseconds=20)})
    limits = load_settings(
        pg_rates="nice_v2=600/min, daou=4/s",
        pg_monthly_uses="kakaopay=4",
        pg_quiet_hours="settle_acc=23:30-00:35",
        spread_hours=1.5,
    ).pg_limits
    assert limits.spacing == {"nice_v2": timedelta(milliseconds=100), "daou": timedelta(milliseconds=250)}
    assert limits.monthly_uses == {"kakaopay": 4}
    assert limits.quiet == {"settle_acc": Quiet(time(23, 30), time(0, 35))}
    assert limits.spread == timedelta(minutes=90)
    assert load_settings(pg_rates="").pg_limits.spacing == {}


def test_a_misspelt_line_in_the_env_file_is_refused_like_a_variable(here: Path) -> None:
    (here / ".env").write_text("BILLING_HTTP_DEADLNE=10\n")
    with pytest.raises(SettingsInvalid, match="did you mean BILLING_HTTP_DEADLINE"):
        load_settings()


@pytest.mark.parametrize("wrong", [{"BILLING_LEASE": "soon"}, {"BILLING_NOTICE_SMTP_URL": "smtps://mail.example.com"}])
def test_a_misspelt_name_is_told_beside_what_else_is_wrong(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    """It may be why another setting is missing."""
    for name, value in ({"BILLING_NOTICE_FORM": "a@b.example", "BILLING_LEESE": "9"} | wrong).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert len(refused.value.problems) == len(wrong) + 2
    assert str(refused.value) == "; ".join(refused.value.problems)
    assert "did you mean BILLING_NOTICE_FROM?" in str(refused.value)


def test_an_empty_value_counts_as_not_set(here: Path) -> None:
    (here / ".env").write_text("BILLING_TIME_MACHINE=\nBILLING_EVENTS_URL=\n")
    settings = load_settings()
    assert settings.time_machine is None
    assert settings.events_url is None


def test_a_sandbox_left_in_the_folder_is_never_joined_to_a_database_of_ones_own(here: Path) -> None:
    (here / "var").mkdir()
    (here / "var" / "runtime.json").write_text(
        '{"database_url": "postgresql://a", "broker_url": "redis://b", "portone_api_url": "http://127.0.0.1:1",'
        ' "portone_imp_key": "k", "portone_imp_secret": "s"}'
    )
    assert load_settings().portone_imp_key == "k"
    assert load_settings(database_url="postgresql://own/books").portone_imp_key is None


def test_no_secret_shows_in_the_settings() -> None:
    settings = load_settings(portone_imp_key="key", portone_imp_secret="hidden-1", api_token="hidden-2")
    assert "hidden" not in repr(settings)


def test_each_pg_may_have_a_settle_window_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().timing.settle_window_of("paymentwall") == timedelta(hours=1)
    monkeypatch.setenv("BILLING_SETTLE_WINDOWS", "paymentwall=7200, paypal_v2 = 600.5")
    timing = load_settings().timing
    assert timing.settle_window_of("paymentwall") == timedelta(hours=2)
    assert timing.settle_window_of("paypal_v2") == timedelta(seconds=600.5)
    assert timing.settle_window_of("nice_v2") == timedelta(seconds=120)


def test_a_test_key_of_paymentwall_is_refused_where_real_money_moves() -> None:
    keys = {"paymentwall_secret_key": "the-secret", "paymentwall_test_key": "a-test-key"}
    with pytest.raises(SettingsInvalid, match=r"BILLING_PAYMENTWALL_TEST_KEY: refused.*api\.iamport\.kr") as refused:
        load_settings(**keys)
    assert "a-test-key" not in str(refused.value)
    sandbox = {"portone_api_url": "http://127.0.0.1:8900"}
    assert load_settings(**keys, **sandbox).paymentwall_test_key is not None
    for wrong in ({"paymentwall_secret_key": None}, {"paymentwall_secret_key": "not-a-test-key"}):
        with pytest.raises(SettingsInvalid, match="BILLING_PAYMENTWALL_TEST_KEY"):
            load_settings(**keys | wrong, **sandbox)


@pytest.mark.parametrize("names", ["9lives", "a b", "sig", "note,no te", "x" * 41])
def test_a_parameter_of_a_pingback_has_a_name_that_can_be_one(names: str) -> None:
    with pytest.raises(SettingsInvalid, match="BILLING_PAYMENTWALL_PARAMETERS"):
        load_settings(paymentwall_parameters=names)
    assert load_settings(paymentwall_parameters=" level, note ").paymentwall_parameters == ("level", "note")


def test_a_secret_from_a_file_with_a_line_break_is_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets mounted as files, or made with echo, have one: every pingback was refused as forged."""
    names = ("portone_imp_key", "portone_imp_secret", "paymentwall_secret_key")
    for name in names:
        monkeypatch.setenv(f"BILLING_{name.upper()}", f"the-{name}\r\n")
    settings = load_settings()
    secrets = [settings.portone_imp_secret, settings.paymentwall_secret_key]
    assert settings.portone_imp_key == "the-portone_imp_key"
    assert [secret.get_secret_value() for secret in secrets if secret] == [f"the-{name}" for name in names[1:]]


@pytest.mark.parametrize("name", ["PORTONE_IMP_SECRET", "PAYMENTWALL_SECRET_KEY", "PAYMENTWALL_TEST_KEY"])
def test_a_secret_of_nothing_but_spaces_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone could sign a pingback with it."""
    monkeypatch.setenv(f"BILLING_{name}", " ")
    with pytest.raises(SettingsInvalid, match=f"BILLING_{name}"):
        load_settings()
