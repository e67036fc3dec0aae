"""Text from people and programs: one normal form, one length, and names for invisible characters."""

import unicodedata

import pytest

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.text import entered, name_of, normal_form, require_printable, spellings

NFD = unicodedata.normalize("NFD", "홍길동 é")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (" kim ", "kim"),
        ("\u3000kim\u00a0", "kim"),
        ("kim\u00a0lee", "kim lee"),
        ("kim\u3000lee", "kim lee"),
        (NFD, "홍길동 é"),
        ("하트 ❤\ufe0f", "하트 ❤\ufe0f"),
        ("\uff2b\uff29\uff2d", "\uff2b\uff29\uff2d"),
    ],
)
def test_what_was_meant_is_kept(given: str, kept: str) -> None:
    assert entered("name", given, 40) == kept
    assert normal_form(given) == kept


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("ok-i1\u200b", "has ZERO WIDTH SPACE (U+200B) at place 6; take it out"),
        ("ok-i3\ufeff", "has ZERO WIDTH NO-BREAK SPACE (U+FEFF) at place 6; take it out"),
        ("\u200ekim", "has LEFT-TO-RIGHT MARK (U+200E) at place 1; take it out"),
        ("  k\u00adim", "has SOFT HYPHEN (U+00AD) at place 4; take it out"),
        ("김\u3164", "has HANGUL FILLER (U+3164) at place 2; take it out"),
        ("a\u2800b", "has BRAILLE PATTERN BLANK (U+2800) at place 2; take it out"),
        ("kim\ufe0f", "has VARIATION SELECTOR-16 (U+FE0F) at place 4; take it out"),
        ("a\u2028b", "has LINE SEPARATOR (U+2028) at place 2; take it out"),
        ("kim\t", "has TAB (U+0009) at place 4; take it out"),
        ("a\x07b", "has a control character (U+0007) at place 2; take it out"),
        ("a\ue000b", "has a private-use character (U+E000) at place 2; take it out"),
        ("a\U000e01efb", "has VARIATION SELECTOR-256 (U+E01EF) at place 2; take it out"),
    ],
)
def test_an_invisible_character_is_refused_by_name_and_place(given: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        entered("customer", given, 40)
    assert refused.value.problem == told


def test_nothing_is_called_a_control_character_that_is_none() -> None:
    called = {letter for letter in map(chr, range(0x10000)) if "control character" in name_of(letter)}
    assert called
    assert {unicodedata.category(letter) for letter in called} == {"Cc"}


@pytest.mark.parametrize(("given", "longest"), [("가" * 16, 16), (unicodedata.normalize("NFD", "각" * 16), 16)])
def test_length_is_counted_in_code_points_of_the_normal_form(given: str, longest: int) -> None:
    assert len(entered("buyer_name", given, longest)) == longest
    with pytest.raises(InvalidInput, match="must have 1 to 16 characters; it has 17"):
        entered("buyer_name", given + "각", longest)


@pytest.mark.parametrize("given", ["", "   ", "\u3000"])
def test_spaces_alone_are_nothing(given: str) -> None:
    with pytest.raises(InvalidInput, match="must have 1 to 40 characters; it has 0"):
        entered("name", given, 40)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (" 회원-1", "HANGUL SYLLABLE HOE (U+D68C) at place 2"),
        ("ok 1", "SPACE (U+0020) at place 3"),
        ("ok\u00a01", "NO-BREAK SPACE (U+00A0) at place 3"),
    ],
)
def test_an_id_of_ascii_names_what_else_it_has_and_is_not_repeated(given: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        entered("customer_uid", given, 80, ascii_only=True, secret=True)
    assert told in refused.value.problem
    assert given.strip() not in str(refused.value)


def test_what_an_older_release_took_can_still_be_read() -> None:
    for stored in (NFD, "김\u3164", "a\u2800b"):
        require_printable("customer", stored, 120)


def test_one_text_is_found_in_each_form_that_an_older_release_may_have_kept() -> None:
    assert set(spellings("홍길동")) == {"홍길동", unicodedata.normalize("NFD", "홍길동")}
    assert spellings("kim") == ("kim",)
