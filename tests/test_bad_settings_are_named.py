"""Each setting that can be bad is named when it is, by itself: no fault of one is blamed on another, or on a server."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from billing_worker import bootstrap
from billing_worker.cli.checks_of_settings import usable
from billing_worker.config import load_settings, variables
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.runtime import free_port

SECRET = "a-hidden-word"
MAIL = {"NOTICE_SMTP_URL": "smtp://127.0.0.1:1", "NOTICE_FROM": "가게 <billing@shop.example>"}
WHSEC = "whsec_" + "QUFB" * 10

BAD: Mapping[str, Sequence[tuple[str, Mapping[str, str]]]] = {
    "DATABASE_URL": [
        ("nonsense", {}),
        (f"mysql://billing:{SECRET}@host/books", {}),
        (f"postgresql://billing:{SECRET}@host/books?sslmode=on&color=red", {}),
        (f"postgresql://billing:{SECRET}@[host/books", {}),
    ],
    "BROKER_URL": [("amqp://host", {}), (f"redis://:{SECRET}@host:none/0", {}), (f"sentinel://:{SECRET}@host", {})],
    "PORTONE_API_URL": [("nonsense", {}), (f"https://user:{SECRET}@api.iamport.kr", {})],
    "PORTONE_IMP_KEY": [("alone", {"PORTONE_IMP_SECRET": ""})],
    "PORTONE_IMP_SECRET": [(SECRET, {"PORTONE_IMP_KEY": ""}), (" ", {})],
    "PRODUCT_TYPE": [("imaginary", {})],
    "PAYMENTWALL_SECRET_KEY": [(" ", {})],
    "PAYMENTWALL_TEST_KEY": [(SECRET, {})],
    "PAYMENTWALL_SIGN_VERSION": [("4", {})],
    "PAYMENTWALL_PARAMETERS": [("9lives", {})],
    "PORTONE_SDK_URL": [("nonsense", {})],
    "CARD_PAGE_URL": [("nonsense", {})],
    "CARD_PAGE_SECRET": [(SECRET, {"CARD_PAGE_URL": "https://shop.example"}), (SECRET, {})],
    "NOTICE_SMTP_URL": [
        ("nonsense", MAIL),
        (f"smtp://user:{SECRET}@host:none", MAIL),
        (f"http://user:{SECRET}@host", MAIL),
        ("smtp://user@host", MAIL | {"ALERT_MAIL": "ops@shop.example"}),
    ],
    "NOTICE_FROM": [("nobody", MAIL | {"ALERT_MAIL": "ops@shop.example"}), ("nobody", {}), ("", MAIL)],
    "NOTICE_URL": [
        ("nonsense", {}),
        (f"http://user:{SECRET}@shop.example", {"NOTICE_SECRET": WHSEC}),
        (f"https://user:{SECRET}@shop.example", {"NOTICE_SECRET": WHSEC}),
    ],
    "NOTICE_SECRET": [(SECRET, {"NOTICE_URL": "https://shop.example"}), ("", {"NOTICE_URL": "https://shop.example"})],
    "NOTICE_KINDS": [("all", {})],
    "NOTICE_LANGUAGE": [("fr", {})],
    "NOTICE_QUIET_HOURS": [("at night", {})],
    "NOTICE_TEMPLATES": [("/no/such/folder", {}), ("/no/such/folder", MAIL)],
    "ALERT_URL": [
        ("nonsense", {}),
        (f"https://ops:{SECRET}@hooks.example/services/{SECRET}", {}),
        (f"http://hooks.example/services/{SECRET}", {}),
    ],
    "ALERT_MAIL": [("ops", MAIL), ("ops@shop.example,", MAIL), ("ops@shop.example", {})],
    "EVENTS_URL": [
        ("nonsense", {}),
        ("https://shop.example", {}),
        (f"https://user:{SECRET}@shop.example/", {"EVENTS_SECRET": WHSEC}),
    ],
    "EVENTS_SECRET": [(SECRET, {"EVENTS_URL": "https://shop.example"})],
    "LANGUAGE": [("fr", {})],
    "TIMEZONE": [("Mars/Base", {})],
    "ENVIRONMENT": [("Live-1", {})],
    "TIME_MACHINE": [("tomorrow", {}), ("file:/no/such/file", {"PORTONE_API_URL": "http://127.0.0.1:1"})],
    "BUDGET_RUN": [("much", {})],
    "BUDGET_CUSTOMER_DAY": [("much", {})],
    "PG_RATES": [("daou=50", {})],
    "PG_MONTHLY_USES": [("kakaopay=0", {})],
    "PG_QUIET_HOURS": [("settle_acc=24", {})],
    "SETTLE_WINDOWS": [("paymentwall", {})],
    "HTTP_DEADLINE": [("200", {})],
}
"""Bad values of a setting, each with the other settings that are there."""

SWITCHES = ("PORTONE_INCLUDE_SANDBOX", "CARD_ENTRY", "EVENTS_ALLOW_PRIVATE", "SHADOW")
NUMBERS = (
    *("FOREIGN_READS", "INBOX_RETENTION_DAYS", "EVIDENCE_RETENTION_DAYS", "ALERTS_RETENTION_DAYS"),
    *("ANSWERS_RETENTION_DAYS", "EVENTS_DISABLE_AFTER", "EVENTS_RETENTION_DAYS", "BUDGET_COUNT", "BUDGET_JUMP"),
    *("AUDIT_INTERVAL", "SPREAD_HOURS", "WEB_PORT", "FLOWER_PORT", "WORKER_CONCURRENCY", "WORKER_PROCESSES"),
    *("SILENT_AFTER", "SCAN_INTERVAL", "SCAN_LIMIT", "CATCH_UP_RATE", "CONNECT_TIMEOUT", "LEASE", "CLAIM"),
    *("RESOLVE_FIRST", "SETTLE_WINDOW", "COMPARE_INTERVAL", "KEY_PENDING_ALERT"),
)
NAMED_BY_THEIR_OWN_CHECK = {"API_TOKEN", "WEBHOOK_ALLOWED_IPS", "TRUSTED_PROXIES"}
ANY_TEXT = {
    *("BROKER_MASTER_NAME", "BROKER_SENTINEL_PASSWORD", "VAR_DIR", "IMP_CODE", "CARD_RETURN_HOSTS"),
    *("PAYMENTWALL_WIDGET_CODE", "NOTICE_CARD_PG", "WEB_HOST", "ALIVE_FILE"),
}
CASES = [
    *((name, value, more) for name, cases in BAD.items() for value, more in cases),
    *((name, "perhaps", {}) for name in SWITCHES),
    *((name, value, {}) for name in NUMBERS for value in ("many", "-1", "1e9")),
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env of a developer is read, and each server has an address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BILLING_DATABASE_URL", f"postgresql://billing@127.0.0.1:{free_port()}/books")
    monkeypatch.setenv("BILLING_BROKER_URL", "redis://127.0.0.1:1/0")


def said(monkeypatch: pytest.MonkeyPatch, name: str, value: str, more: Mapping[str, str]) -> list[str]:
    """What is wrong, and a proof that nothing else is: all other parts come together."""
    for variable, given in (more | {name: value}).items():
        monkeypatch.setenv(f"BILLING_{variable}", given)
    try:
        found = usable(load_settings())
    except SettingsInvalid as error:
        return [str(error)]
    if found.has_database:
        _, engine = bootstrap.build(found.settings, role="doctor", connections=1)
        engine.dispose()
    return [str(error) for error in found.faults]


@pytest.mark.parametrize(("name", "value", "more"), CASES)
def test_a_bad_setting_is_named_alone_with_a_way_out_and_without_secrets(
    name: str, value: str, more: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = said(monkeypatch, name, value, more)
    assert f"BILLING_{name}" in line
    assert "\n" not in line
    assert SECRET not in line
    assert len(line) > len(f"BILLING_{name}: ") + 10, "it says what would be right"


def test_settings_that_are_right_have_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    good = MAIL | {
        "ALERT_URL": "https://hooks.example/services/a",
        "ALERT_MAIL": "ops@shop.example, 홍길동 <hong@shop.example>",
        "EVENTS_URL": "https://shop.example/events",
        "EVENTS_SECRET": WHSEC,
        "NOTICE_URL": "https://shop.example/notices",
    }
    assert said(monkeypatch, "NOTICE_SECRET", WHSEC, good) == []


def test_every_fault_is_named_when_several_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = MAIL | {"ALERT_MAIL": "ops", "ALERT_URL": f"https://a:{SECRET}@hooks.example", "NOTICE_TEMPLATES": "/none"}
    lines = said(monkeypatch, "TIME_MACHINE", "file:/none", bad | {"PORTONE_API_URL": "http://127.0.0.1:1"})
    assert [line.partition(":")[0] for line in lines] == [
        *("BILLING_TIME_MACHINE", "BILLING_NOTICE_TEMPLATES", "BILLING_ALERT_URL", "BILLING_ALERT_MAIL"),
    ]
    assert "(got 'ops')" in lines[-1]
    assert "(got https://hooks.example/…)" in lines[-2]


def test_every_setting_is_tried_or_takes_any_text() -> None:
    tried = {*BAD, *SWITCHES, *NUMBERS}
    known = {name.removeprefix("BILLING_") for name in variables()}
    assert tried | NAMED_BY_THEIR_OWN_CHECK | ANY_TEXT == known
    assert not tried & (NAMED_BY_THEIR_OWN_CHECK | ANY_TEXT)
