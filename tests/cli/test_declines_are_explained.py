"""`decline explain`: by arguments, as JSON, and line by line for another program. No database is needed."""

import io
import json
import sys

import pytest
from cli_helpers import Command

from billing_worker.domain.declines.reasons import Advice, Category

STOLEN = "[CC43]도난카드"


def test_a_decline_is_explained_in_both_languages(billing: Command) -> None:
    said = billing("decline", "explain", "kcp", STOLEN).out
    for words in ("lost_or_stolen", "another_card", "CC43", "Only another card helps", "다른 카드가 필요합니다"):
        assert words in said
    told = billing("decline", "explain", "kcp", "[CC98]카드사 시스템 장애", "--json").json
    assert (told["category"], told["advice"], told["code"]) == ("communication", "retry_soon", "CC98")


def test_lines_are_answered_one_by_one_and_in_order(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [{"pg": "kcp", "text": STOLEN}, {"pg": None, "text": "한도초과", "more": 1}, {"text": "qwer"}]
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(json.dumps(each) + "\n" for each in asked) + "\n"))
    lines = billing("decline", "explain", "--stdin").out.splitlines()
    answers = [(told["category"], told["advice"]) for told in map(json.loads, lines)]
    assert answers == [
        (Category.LOST_OR_STOLEN, Advice.ANOTHER_CARD),
        (Category.LIMIT, Advice.BETTER_DAY),
        (Category.UNKNOWN, Advice.ASK_GATEWAY),
    ]


def test_a_broken_line_is_answered_too_and_the_others_are_served(
    billing: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["{", "[]", '{"pg": 1, "text": "x"}', "[" * 100_000, json.dumps({"pg": "kcp", "text": STOLEN})]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    ran = billing("decline", "explain", "--stdin")
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert ["error" in each for each in answers] == [True, True, True, True, False]
    assert ran.status == 2


def test_bytes_of_another_code_page_are_read(billing: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b'{"pg": "kcp", "text": "' + "분실카드".encode("cp949") + b'"}\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))
    assert json.loads(billing("decline", "explain", "--stdin").out)["category"] == "lost_or_stolen"


def test_a_card_number_is_not_repeated_and_both_arguments_are_needed(billing: Command) -> None:
    told = billing("decline", "explain", "kcp", "4111 1111 1111 1111 정지카드", "--json")
    assert "4111 1111" not in told.out
    billing("decline", "explain", "kcp").refuses(2, "PG and TEXT are needed")


def test_texts_that_no_rule_understands_are_listed(billing: Command) -> None:
    assert billing("decline", "unknown", "--json").json == []
    assert "understood" in billing("decline", "unknown").out
