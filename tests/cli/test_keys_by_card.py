"""`key issue`, `replace`, `delete`: the card comes by a hidden prompt or standard input, and is never shown."""

import json
import os
import pty
import re
import select
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Command, Said, environment
from sqlalchemy import create_engine, text

from tests.support.sandbox import IMP_KEY, IMP_SECRET, Sandbox

NUMBER = "5409600012345677"
CARD = {"card_number": NUMBER, "expiry": "2031-04", "birth": "880301", "pwd_2digit": "37"}
PG = ("--pg", "nice_v2", "--card-from-stdin")


@pytest.fixture
def piped(billing: Command, with_gateway: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ARG001 - the gateway
    """Run a command with this on its standard input."""
    monkeypatch.setenv("BILLING_CARD_ENTRY", "true")

    def run(given: object, *words: str) -> Said:
        monkeypatch.setattr(sys, "stdin", StringIO(given if isinstance(given, str) else json.dumps(given)))
        said = billing(*words)
        digits = "".join(letter for letter in said.out + said.err if letter.isdecimal())
        assert NUMBER not in digits
        return said

    return run


def test_a_card_from_standard_input_becomes_a_key(piped: Any, billing: Command) -> None:
    made = piped(CARD, "key", "issue", "user-cli-card-1", *PG, "--external-id", "c-1", "--json").json
    assert (made["status"], made["card_last_digits"], made["external_id"]) == ("active", NUMBER[-4:], "c-1")
    assert billing("key", "show", made["id"], "--json").json["status"] == "active"
    piped(CARD, "key", "issue", "user-cli-card-1", *PG).refuses(1, made["id"])


def test_a_refused_card_is_an_error_with_the_id_of_the_key(piped: Any) -> None:
    said = piped(CARD | {"card_number": "4000000000000000"}, "key", "issue", "user-cli-card-2", *PG, "--json")
    assert (said.status, said.error["type"]) == (1, "Conflict")
    assert said.error["existing_id"].startswith("key_")
    assert "카드번호" in said.error["message"]


def test_a_card_is_kept_now_and_charged_at_a_time(piped: Any, billing: Command) -> None:
    words = ("payment", "by-card", *PG, "--amount", "9900", "--order-id", "cli-later-1", "--keep-as", "user-cli-later")
    soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    made = piped(CARD, *words, "--at", soon, "--retry-days", "1,3", "--json").json
    assert (made["status"], made["dunning_policy"], made["next_attempt_at"]) == ("open", "days-1-3@1", made["at"])
    assert billing("key", "show", made["billing_key_id"], "--json").json["status"] == "active"
    piped(CARD, *words, "--at", soon).refuses(1, made["id"])
    said = piped(CARD, *words[:-3], "cli-later-2", "--keep-as", "user-cli-later-2", "--at", soon)
    assert re.search(r"is charged at its time on key key_\w+, which is active", said.out)
    refused = piped(CARD | {"card_number": "4000000000000000"}, *words[:-3], "c3", "--keep-as", "u3", "--at", soon)
    assert "was not taken" in refused.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--at", "2020-01-01T00:00:00Z", "--keep-as", "user-cli-l2"), "at"),
        (("--at", "2020-01-01T00:00:00", "--keep-as", "user-cli-l2"), "time zone"),
        (("--at", "2030-01-01T00:00:00Z"), "customer_uid: is needed with `at`"),
        (("--retry-days", "1"), "retry_days: is taken with `at` only"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused_by_its_field(piped: Any, words: tuple[str, ...], problem: str) -> None:
    piped(CARD, "payment", "by-card", *PG, "--amount", "9900", *words).refuses(2, problem)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("", "one JSON object"),
        (NUMBER, "one JSON object"),
        ([NUMBER], "one JSON object"),
        ({NUMBER: "x"}, "a field that is not taken"),
        (CARD | {"cvc": "123"}, "a field that is not taken"),
        (CARD | {"expiry": 2031}, "one JSON object"),
        (CARD | {"card_number": NUMBER + "12345"}, "card.card_number"),
        (CARD | {"expiry": "2020-01"}, "has expired"),
        (CARD | {"birth": NUMBER}, "card.birth"),
        ("x" * 5000, "one JSON object"),
        ("[" * 4000, "one JSON object"),
    ],
)
def test_a_wrong_card_is_refused_without_being_repeated(piped: Any, given: object, word: str) -> None:
    piped(given, "key", "issue", "user-cli-card-3", *PG).refuses(2, word)


def test_an_argument_with_a_card_number_is_not_repeated(piped: Any) -> None:
    piped(CARD, "key", "issue", "user-cli-card-4", NUMBER, *PG).refuses(2)
    piped(CARD, "key", "issue", NUMBER, *PG).refuses(2, "card number")
    piped(CARD, "key", "issue", "user-cli-card-4", *PG, "--buyer-name", NUMBER).refuses(2, "buyer_name")
    piped(CARD, "key", "issue", "user-cli-card-4", f"--{NUMBER}").refuses(2)


def test_without_the_setting_no_card_is_asked_for(piped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_CARD_ENTRY", "false")
    piped("", "key", "issue", "user-cli-card-5", *PG).refuses(2, "BILLING_CARD_ENTRY: is off", "docs/card-entry.md")


def test_without_a_terminal_the_way_out_is_named(piped: Any) -> None:
    piped("", "key", "issue", "user-cli-card-5", "--pg", "nice_v2").refuses(2, "--card-from-stdin")


def test_another_card_takes_over_and_the_old_key_is_deleted(piped: Any, billing: Command, plan_id: str) -> None:
    old = piped(CARD, "key", "issue", "user-cli-old", *PG, "--json").json["id"]
    words = ("subscription", "create", "--plan", plan_id, "--key", old, "--customer", "kim", "--json")
    subscription = billing(*words).json["id"]
    billing("key", "delete", old, "--reason", "why").refuses(1, subscription, "subscription set-key")
    said = piped(CARD, "key", "replace", old, "--card-from-stdin")
    assert f"key delete {old}" in said.out
    new = billing("subscription", "show", subscription, "--json").json["billing_key_id"]
    assert new != old
    gone = billing("key", "delete", old, "--reason", "the customer left")
    assert gone.status == 0, gone.err
    assert "keeps the schedules" in gone.out
    assert billing("key", "show", old, "--json").json["status"] == "deleted"
    third = piped(CARD, "key", "replace", new, "--card-from-stdin", "--delete-old", "--json").json["id"]
    assert billing("subscription", "show", subscription, "--json").json["billing_key_id"] == third


def test_an_unclear_answer_is_told_as_such(piped: Any, with_gateway: Sandbox, billing: Command) -> None:
    with_gateway.rule("drop-after-charge", endpoint="issue", customer_uid="user-cli-lost")
    said = piped(CARD, "key", "issue", "user-cli-lost", *PG)
    assert said.status == 0
    assert "is pending" in said.out
    with_gateway.rule("error503", endpoint="delete", customer_uid="user-cli-kept")
    key = piped(CARD, "key", "issue", "user-cli-kept", *PG, "--json").json["id"]
    said = billing("key", "delete", key, "--reason", "why")
    assert "has not confirmed the deletion" in said.out


def test_at_a_terminal_nothing_that_is_typed_is_shown(database_url: str, with_gateway: Sandbox, here: Path) -> None:
    variables = {"BILLING_DATABASE_URL": database_url, "BILLING_PORTONE_API_URL": with_gateway.url}
    variables |= {"BILLING_PORTONE_IMP_KEY": IMP_KEY, "BILLING_PORTONE_IMP_SECRET": IMP_SECRET}
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "billing_worker", "key", "issue", "user-cli-tty", "--pg", "nice_v2"],
        env=environment(**variables, BILLING_CARD_ENTRY="true"),
        cwd=here,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    for asked, typed in (("Card number", NUMBER), ("Expiry", "2031-04"), ("Birthday", "880301"), ("password", "37")):
        shown += _until(ours, asked)
        os.write(ours, f"{typed}\n".encode())
    shown += _until(ours, None)
    os.close(ours)
    assert running.wait(30) == 0, shown
    assert "Issued key" in shown
    kept = "\n".join(line for line in shown.splitlines() if "card expires" not in line)
    assert not any(value in kept for value in (NUMBER, "2031-04", "880301"))
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT status FROM billing_keys")).scalar_one() == "active"
    engine.dispose()


def _until(terminal: int, word: str | None) -> str:
    """What the terminal shows, up to the prompt with this word, or to the end."""
    shown = ""
    while word is None or word not in shown or not shown.endswith(": "):
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, f"nothing more is shown, and no {word}: {shown}"
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux: the other side is closed
            return shown
        if not part:
            return shown
        shown += part.decode("utf-8", "replace")
    return shown


def test_core_dumps_are_off_while_a_card_is_held(here: Path) -> None:
    script = "import resource; from billing_worker.runtime.core_dumps import forbid_core_dumps; forbid_core_dumps();"
    script += "print(resource.getrlimit(resource.RLIMIT_CORE))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=here, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "(0, 0)\n"
