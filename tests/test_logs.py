"""Log lines of everything that logs in a process of ours: masked, and each of them one line."""

import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from billing_worker import logs
from billing_worker.config import Settings

SECRET = "hunter-two-of-the-database"
CARD = "4242424242424242"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """What was printed so far, by a process that is set up as ours are."""
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stdout", printed)
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    logs.configure(secrets=(SECRET,))
    yield printed.getvalue
    root.handlers[:], (sys.excepthook, threading.excepthook) = handlers, hooks
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.mark.fm("F5")
@pytest.mark.parametrize("name", ["uvicorn.error", "celery.worker", "kombu", "sqlalchemy.pool", "httpx", "py.warnings"])
def test_from_any_logger_no_secret_and_no_card_number_shows(logged: Callable[[], str], name: str) -> None:
    logging.getLogger(name).warning("cannot reach redis://:%s@host, card %s, %r", SECRET, CARD, {"pan": int(CARD)})
    line = logged()
    assert "cannot reach" in line
    assert SECRET not in line
    assert CARD not in line


def test_our_own_lines_are_masked_whatever_a_value_is(logged: Callable[[], str]) -> None:
    log = structlog.get_logger("billing.test")
    log.warning("event", card=int(CARD), many=[CARD, {"k": SECRET}], error=ValueError(f"{SECRET} {CARD}"))
    line = logged()
    assert line.count("************4242") == 3
    assert SECRET not in line


@pytest.mark.parametrize("odd", ["\0", "a\0b", '{"buyer_name": "Hong', '{"buyer_name": "Hong\0'])
def test_each_value_stays_under_its_own_name_and_masked_whatever_stands_beside_it(
    logged: Callable[[], str], odd: str
) -> None:
    log = structlog.get_logger("billing.test")
    log.info("event", first=CARD, odd=odd, secret=SECRET, yes=True, number=7, last="the end")
    line = logged()
    assert CARD not in line
    assert SECRET not in line
    assert "Hong" not in line
    assert "yes=true" in line
    assert "number=7" in line
    assert 'last="the end"' in line


def test_an_unexpected_end_is_one_masked_line(logged: Callable[[], str]) -> None:
    def fail() -> None:
        raise RuntimeError(f"{SECRET}\n{CARD}")

    try:
        fail()
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    lines = logged().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "crashed" in line
        assert "RuntimeError" in line
        assert SECRET not in line
        assert CARD not in line


@pytest.mark.parametrize("hostile", ["\n", "\r", "\x1b[31m", "\x00", "\x85", "\u2028", "\u202e", "\x9b2J"])
def test_no_value_begins_a_line_of_its_own_or_speaks_to_the_terminal(logged: Callable[[], str], hostile: str) -> None:
    structlog.get_logger("billing.test").warning("event", value=f"a{hostile}level=critical event=paid")
    logging.getLogger("uvicorn.error").warning("a%sb", hostile)
    text = logged()
    assert len(text.split("\n")) == 3
    assert all(char.isprintable() for char in text.replace("\n", ""))


def test_half_a_character_is_escaped() -> None:
    assert logs.last_processors()[-1](None, "", "a\ud800b") == r"a\ud800b"


def test_the_name_of_a_worker_can_be_read(logged: Callable[[], str]) -> None:
    logging.getLogger("celery.apps.worker").warning("%s ready.", "worker1@billing-7f9c.example.com")
    logging.getLogger("celery.worker.consumer.gossip").warning("missed heartbeat from %s", "celery@other")
    logging.getLogger("celery.worker").warning("mail to %s", "hong@example.com")
    first, second, third = logged().splitlines()
    assert "worker1@billing-7f9c.example.com ready." in first
    assert "celery@other" in second
    assert "hong" not in third


def test_what_is_secret_among_the_settings_is_known_and_never_shown() -> None:
    given = {
        "database_url": "postgresql://billing:data%2Fbase@db/billing",
        "broker_url": "redis://:red-is-password@redis/0",
        "portone_imp_key": "imp-key",
        "portone_imp_secret": "imp-secret",
        "api_token": "api-token",
        "paymentwall_secret_key": "pw-secret",
        "events_secret": "whsec_secret",
    }
    settings = Settings(**given, _env_file=None)
    whole = {"data%2Fbase", "data/base", "red-is-password", "imp-key", "imp-secret", "api-token", "pw-secret"}
    assert set(settings.secrets) == whole | {"whsec_secret"}
    assert not any(secret in repr(settings) for secret in settings.secrets)
    assert list(settings.secrets) == sorted(settings.secrets, key=len, reverse=True)
