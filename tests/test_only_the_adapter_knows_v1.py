"""Nothing outside `adapters/portone` knows the wire of V1: its paths, its names of fields, its texts, its number.

`.importlinter` holds who may import the adapter. This test reads the words, which no import shows. The reasons of the
places that may have one are in docs/decisions/0038.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ADAPTER = "billing_worker/adapters/portone/"
SANDBOX = "billing_worker/sandbox/"
"""The stand-in for V1, which shares no code with what it judges."""

WORDS = {
    "token": r"getToken|\baccess_token\b|\bexpired_at\b",
    "keys": r"/subscribe/",
    "payments": r"/payments/(?:cancel|status|imp_|\{imp)|findAll",
    "schedules": r"\bschedule_(?:status|from|to)\b",
    "given back": r"cancel_amount|cancel_history",
    "use of a key": r"customer_uid_usage",
    "checksum": r"\bchecksum\b",
    "test channels": r"\binclude_sandbox\b",
    "missing field": r"파라메터는 필수|파라미터는 필수",
    "used order": r"이미 \(\?:주문|이미 주문이|동일한 merchant_uid",
    "missing key": r"등록된 정보를 찾을 수 없습니다",
    "version": r"\bV1\b",
}
"""What the adapter says to PortOne V1, what it hears from it, and its number."""

PLACES = {
    "adapters/database/audit_checks.py": ({"checksum"}, "an own word: the balance that a refund names"),
    "adapters/database/migrations/versions/0004_stop_the_line.py": ({"checksum"}, "PostgreSQL's"),
    "adapters/masking.py": ({"token"}, "one mask for every text, log lines too: it knows the names of each gateway"),
    "bootstrap.py": ({"test channels"}, "the composition root hands settings to the adapter"),
    "cli/pg.py": ({"version"}, "the table of PGs"),
    "config/card_page.py": ({"version"}, "the address of the SDK, which a browser loads"),
    "config/gateway.py": ({"version"}, "the settings of the adapter"),
    "demo/books.py": ({"given back"}, "it reads the sandbox's ledger"),
    "domain/pgs/__init__.py": ({"version"}, "the table of PGs"),
    "domain/pgs/facts.py": ({"keys", "payments"}, "the table of PGs names the calls that its facts are about"),
    "domain/pgs/rules.py": ({"version"}, "the table of PGs"),
    "domain/pgs/sources.py": ({"keys", "payments", "version"}, "the table of PGs cites its sources"),
    "texts/locale/en.po": ({"schedules"}, "an own word: the states of our schedules"),
    "texts/locale/ko.po": ({"schedules"}, "as the English one"),
    "domain/payment_options.py": ({"version"}, "the sources of two bounds"),
    "usecases/reading/views/evidence.py": ({"payments"}, "an example of stored evidence"),
    "usecases/reading/views/pgs.py": ({"keys", "version"}, "an example of a source"),
    "web/card/window.py": ({"version"}, "what the SDK is asked for in the browser"),
    "web/examples.py": ({"payments"}, "an example of stored evidence"),
}
"""The places in `billing_worker/` that may have a word, and the reason."""


@cache
def texts(place: str) -> dict[str, str]:
    """Every module and catalogue below this place, by its path."""
    found = [path for path in sorted((ROOT / place).rglob("*")) if path.suffix in (".py", ".po")]
    assert found, f"nothing is at {place}"
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in found}


@cache
def places_of(word: str) -> set[str]:
    """The files outside the adapter and the sandbox that have this word."""
    found = texts("billing_worker") | texts("tasks")
    return {path for path, text in found.items() if not path.startswith((ADAPTER, SANDBOX)) and re.search(word, text)}


@pytest.mark.parametrize("about", WORDS)
def test_a_word_of_v1_is_in_its_adapter_and_where_a_reason_lets_it_be(about: str) -> None:
    assert any(re.search(WORDS[about], text) for text in texts(ADAPTER).values()), "the check would look for nothing"
    allowed = {f"billing_worker/{place}" for place, (words, _) in PLACES.items() if about in words}
    assert places_of(WORDS[about]) == allowed, "a place is new, or nothing is left there to allow"


def korean(source: str) -> set[str]:
    """The Korean texts in this module, without its docstrings: those that PortOne says."""
    constants = {
        node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and type(node.value) is str
    }
    return {text for text in constants if len(re.findall("[가-힣]", text)) >= 5}


def test_no_text_of_v1_is_written_again_elsewhere() -> None:
    said = {text for source in texts(ADAPTER).values() for text in korean(source)}
    assert any("예약결제" in text for text in said), "the check would look for nothing"
    assert {(text, path) for text in said for path in places_of(re.escape(text))} == set()


@pytest.mark.parametrize(
    "written",
    [
        'state = row["schedule_status"]',
        'call = "/subscribe/payments/again"',
        'back = row["cancel_amount"]',
        'if "이미 주문이 이루어진 건입니다" in reason:',
        'gone = re.compile(r"등록된 정보를 찾을 수 없습니다")',
        '"""As V1 answers."""',
    ],
)
def test_such_a_line_would_be_seen(written: str) -> None:
    assert any(re.search(word, written) for word in WORDS.values())
