"""A card is checked by field, shown by nothing, and refused in every text that is no card field."""

import copy
import pickle
import traceback
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_worker.domain.card_entry import Card
from billing_worker.domain.card_numbers import holds_card_number, without_card_numbers
from billing_worker.domain.errors import InvalidInput, NotFound
from billing_worker.domain.labels import entered_external_id, entered_metadata
from billing_worker.domain.text import entered

NOW = datetime(2026, 11, 30, 14, 59, tzinfo=UTC)
NUMBER = "5409600012345677"
VALUES = (NUMBER, "5409-6000-1234-5677", "2031-04", "880301", "37")


def card(**changes: str | None) -> Card:
    parts = {"card_number": NUMBER, "expiry": "2031-04", "birth": "880301", "pwd_2digit": "37"} | changes
    return Card.entered(
        parts["card_number"] or "",
        parts["expiry"] or "",
        birth=parts["birth"],
        pwd_2digit=parts["pwd_2digit"],
        real_now=NOW,
    )


def test_a_card_takes_the_forms_of_portone() -> None:
    assert card().reveal() == {
        "card_number": "5409-6000-1234-5677",
        "expiry": "2031-04",
        "birth": "880301",
        "pwd_2digit": "37",
    }
    assert card(card_number=" 3782-822463-10005 ").reveal()["card_number"] == "3782-8224-6310-005"
    assert card(birth="1234567890").reveal()["birth"] == "1234567890"
    assert card(birth="000000").reveal()["birth"] == "000000"
    assert card(birth="000229").reveal()["birth"] == "000229"
    assert card(expiry="2026-11").given == {"card_number", "expiry", "birth", "pwd_2digit"}
    assert card(birth=None, pwd_2digit="").given == {"card_number", "expiry"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"card_number": ""}, "card.card_number"),
        ({"card_number": "5409--600012345676"}, "card.card_number"),
        ({"card_number": "540960001234567a"}, "card.card_number"),
        ({"card_number": "５４０９600012345676"}, "card.card_number"),  # noqa: RUF001 - that is the question
        ({"card_number": "5409600012345"}, "card.card_number"),
        ({"card_number": "54096000123456771234"}, "card.card_number"),
        ({"expiry": "04/31"}, "card.expiry"),
        ({"expiry": "2031-13"}, "card.expiry"),
        ({"expiry": "2031-4"}, "card.expiry"),
        ({"expiry": "2026-10"}, "card.expiry"),
        ({"birth": "19880301"}, "card.birth"),
        ({"birth": "881301"}, "card.birth"),
        ({"birth": "880230"}, "card.birth"),
        ({"birth": "123-45-67890"}, "card.birth"),
        ({"pwd_2digit": "3"}, "card.pwd_2digit"),
        ({"pwd_2digit": "3721"}, "card.pwd_2digit"),
        ({"pwd_2digit": "3a"}, "card.pwd_2digit"),
    ],
)
def test_a_wrong_part_is_refused_by_field_and_never_repeated(wrong: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        card(**wrong)
    assert refusal.value.field == field
    assert refusal.value.value is None
    assert not any(value and value in str(refusal.value) for value in wrong.values())
    assert "\n" not in str(refusal.value)


def test_a_card_expires_at_the_end_of_its_month_in_korea() -> None:
    """14:59 UTC is 23:59 in Seoul: a minute later it is December there."""
    parts = {"birth": None, "pwd_2digit": None}
    Card.entered(NUMBER, "2026-11", real_now=NOW, **parts)
    with pytest.raises(InvalidInput, match="expired"):
        Card.entered(NUMBER, "2026-11", real_now=NOW.replace(hour=15, minute=0), **parts)


def test_nothing_shows_a_card() -> None:
    held = card()
    for text in (repr(held), str(held), f"{held}", f"{held!r:>10}", "%s" % held, "{:x}".format(held), ascii([held])):  # noqa: UP031, UP032 - every way to write it
        assert not any(value in text for value in VALUES)
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither stored nor copied"):
            take(held)
    with pytest.raises(TypeError):
        vars(held)


def test_a_traceback_with_a_card_in_its_frames_does_not_show_it() -> None:
    def call(held: Card) -> None:
        parts = held.reveal()
        raise RuntimeError(f"{len(parts)} parts of {held}")

    try:
        call(card())
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
    assert "4 parts of Card(…)" in shown
    assert not any(value in shown for value in VALUES[:2])


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "card 4242424242424242, thanks",
        "4242-4242-4242-4242 12/31",
        "no. 7 4242 4242 4242 4242 99",
        "４２４２ ４２４２ ４２４２ ４２４２",  # noqa: RUF001 - that is the question
        "378282246310005",
        "5555555555554444",
        "2223003122003222",
        "6011111111111117",
        "3530111333300000",
        "30569309025904",
        "6250941006528599",
    ],
)
def test_a_card_number_in_any_other_text_is_refused_and_never_repeated(text: str) -> None:
    for take in (
        lambda: entered("name", text, 80),
        lambda: entered("customer_uid", text, 80, secret=True),
        lambda: entered_external_id(text),
        lambda: entered_metadata({"note": text}),
        lambda: entered_metadata({text: "note"}),
    ):
        with pytest.raises(InvalidInput, match="card number") as refusal:
            take()
        digits = "".join(char for char in str(refusal.value) if char.isdecimal())
        assert len(digits) < 10
    assert not holds_card_number(without_card_numbers(text))
    for error in (InvalidInput("amount", text, "must be a number"), NotFound("invoice", text)):
        assert not holds_card_number(str(error))


@pytest.mark.parametrize(
    "text",
    [
        "1764371646123",  # a time in milliseconds
        "1764371646123456",  # in microseconds
        "1764371646123456789",
        "20261129142606",  # a time as digits
        "20261129142606123",
        "2611291426061234",  # YYMMDD and a running number
        "202611290000012",
        "010-1234-5678",
        "123-45-67890",
        "4242424242424241",  # the check digit is wrong
        "4000-0000-0000-1001",  # a card of the sandbox
        "x4242",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_numbers_of_a_shop_are_no_card_numbers(text: str) -> None:
    assert not holds_card_number(text)
    assert entered("name", text, 80) == text


@given(st.integers(1_600_000_000_000, 1_999_999_999_999), st.integers(0, 999_999))
def test_no_time_in_any_unit_is_taken_for_a_card(milliseconds: int, more: int) -> None:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    for text in (
        str(milliseconds),
        f"{milliseconds}{more % 1000:03}",
        f"{milliseconds}{more:06}",
        f"{moment:%Y%m%d%H%M%S}",
        f"{moment:%Y%m%d%H%M%S}{more:06}"[:17],
        f"order-{moment:%Y%m%d}-{more:06}",
    ):
        assert not holds_card_number(text)


@given(st.text(max_size=60))
def test_any_text_can_be_searched(text: str) -> None:
    assert len(without_card_numbers(text)) == len(text)
    assert not holds_card_number(without_card_numbers(text))
